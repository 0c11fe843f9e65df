// Gauges' readings and distinct members, for the client in meterdeck.mjs: README.md.
import { check, decisionOf, idOf, meterOf, script, standing, whole } from "./meterdeck.mjs";

/** The meter of `meterOf`, with `setGauge` and `countUnique` besides. */
export function meterWithKindsOf(redis, options) {
  const meter = meterOf(redis, options), { contract } = meter, { key, noted } = contract;
  const [setScript, countScript] = ["set_gauge", "count_unique"]
    .map((name) => script(options.scripts, name));

  /** What both scripts are given: the call's keys, and the parts of its term. */
  function formOf(name, resource, wanted, cycle, now, { callId, limits = {} }) {
    const term = contract.termOf(name, resource, cycle, now, limits[resource]);
    check(term.kind === wanted, `${resource} is no ${wanted}`);
    const [, start, end, period, ...limit] = term.fields; // limit: with its source and rule
    const head = [key("tenant", name), term.counter, term.override];
    const kept = (kind) => key(kind, name, resource, period);
    const id = callId === undefined ? [] : [key("call", name, idOf(callId))];
    const tail = [...id, ...contract.index("seq", "changed")];
    return { term, head, kept, tail, when: [start, end, period], limit, keepS: id.length && 600 };
  }

  async function setGauge(tenant, resource, value, { measuredAt, ...options } = {}) {
    const name = contract.bytesOf(tenant), { callId } = options;
    const { term, head, kept, tail, limit, keepS } = formOf(name, resource, "gauge", "", 0, options);
    const keys = [...head, kept("beyond"), term.reserved, key("measured", name, resource), ...tail];
    const at = measuredAt === undefined ? "" : whole(Number(measuredAt), 0, "measuredAt");
    const reading = whole(value, 0, resource);
    const [word, replayed, stale, , before, current, text, source, verdict, newest] =
      await contract.run(setScript, callId, keys, noted, name, resource, reading, at,
        ...limit, keepS);
    check(word === "ok", `${replayed} ${stale}`, word);
    return { ...standing(+current, text, source, term.time), before: +before, callId,
      over: verdict === "over", stale: stale === "1", measuredAt: +newest,
      replayed: replayed === "1" };
  }

  async function countUnique(tenant, resource, members, options = {}) {
    const name = contract.bytesOf(tenant), { callId } = options;
    const raw = members.map((each) => Buffer.from(each).toString("latin1"));
    const named = [...new Set(raw)].sort(); // a repeat must name them in the same order
    const answer = await contract.inPeriod(name, (cycle, now) => {
      const { term, head, kept, tail, when, limit, keepS } =
        formOf(name, resource, "unique", cycle, now, options);
      const keys = [...head, kept("beyond"), key("refusals", name), kept("members"),
        kept("trying"), ...tail];
      return contract.run(countScript, callId, keys, noted, name, resource, ...when,
        term.cycled ? cycle : "", ...limit, contract.kept, keepS, 0, ...named);
    });
    return decisionOf(answer, [{ resource }], callId);
  }

  return { ...meter, setGauge, countUnique };
}
