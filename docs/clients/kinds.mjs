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
    const reading = whole(value, 0, resource);
    const at = measuredAt === undefined ? "" : whole(Number(measuredAt), 0, "measuredAt");
    const [replayed, stale, , before, current, limit, source, verdict, newest] =
      await contract.inPeriod(name, (cycle, now) => { // which is never over
        const form = formOf(name, resource, "gauge", cycle, now, options);
        const keys = [...form.head, form.kept("beyond"), form.term.reserved,
          key("measured", name, resource), ...form.tail];
        return contract.run(setScript, callId, keys, noted, name, resource, reading, at,
          ...form.limit, form.keepS);
      });
    return { ...standing(+current, limit, source), before: +before, callId,
      over: verdict === "over", stale: stale === "1", measuredAt: +newest,
      replayed: replayed === "1" };
  }

  async function countUnique(tenant, resource, members, options = {}) {
    const name = contract.bytesOf(tenant), { callId } = options;
    const raw = members.map((each) => check(Buffer.isBuffer(each) || each.isWellFormed(), each)
      && Buffer.from(each).toString("latin1"));
    const named = [...new Set(raw)].sort(); // a repeat must name them in the same order
    const answer = await contract.inPeriod(name, (cycle, now) => {
      const form = formOf(name, resource, "unique", cycle, now, options);
      const keys = [...form.head, form.kept("beyond"), key("refusals", name),
        form.kept("members"), form.kept("trying"), ...form.tail];
      return contract.run(countScript, callId, keys, noted, name, resource, ...form.when,
        form.term.cycled ? cycle : "", ...form.limit, contract.kept, form.keepS, 0, ...named);
    });
    return decisionOf(answer, [{ resource }], callId);
  }

  return { ...meter, setGauge, countUnique };
}
