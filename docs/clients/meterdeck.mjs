// A client of meterdeck's Redis contract (redis-contract.md), to copy and to change: README.md.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { ClientClosedError, ClientOfflineError, ErrorReply, TimeoutError } from "redis";
import { periodOf } from "./periods.mjs";
const UNSENT = [ClientClosedError, ClientOfflineError, TimeoutError];
/** `code`: the contract's word (broken, overflow, reused, unknown, …), `unsent` or `lost`. */
export class MeterdeckError extends Error {
  constructor(code, what) { super(`${code}: ${what}`); this.code = code; }
}
export class UnknownOutcome extends MeterdeckError {} // sent, no answer; repeat its `callId`

/** Counts through `redis`, a client that nobody else uses: if need be it is connected anew. */
export function meterOf(redis, { scripts, resources, tagged, keptDays = 35, timeoutMs = 2000 }) {
  const [consumeScript, settleScript] = ["consume", "settle"].map((name) => {
    const text = readFileSync(`${scripts}/${name}.lua`, "latin1");
    return { text, sha1: createHash("sha1").update(text, "latin1").digest("hex") };
  });
  const noted = tagged ? 0 : 1, kept = keptDays * 86_400_000, cycles = new Map(); // by tenant
  let ahead = Date.now() - performance.now(); // a guess: the script says when it is wrong
  const reconnect = () => { redis.destroy(); redis.connect().catch(() => {}); };
  async function send(...command) { // texts of one character a byte: names need not be UTF-8
    const bytes = command.map((each) => Buffer.from(`${each}`, "latin1"));
    const late = setTimeout(reconnect, 2 * timeoutMs); // this connection may never answer
    try {
      return await redis.sendCommand(bytes, { timeout: timeoutMs }); // until it is sent
    } catch (error) {
      if (error instanceof ErrorReply) throw error;
      if (UNSENT.includes(error.constructor)) refuse("unsent", error.message);
      throw new UnknownOutcome("lost", error.message);
    } finally { clearTimeout(late); }
  }
  function run({ text, sha1 }, callId, ...rest) {
    const once = () => send("EVALSHA", sha1, ...rest).catch((error) => {
      if (error.message.startsWith("NOSCRIPT")) return send("EVAL", text, ...rest);
      throw error;
    });
    return once().catch((error) => { // repeated once, under its id and only so
      if (!(error instanceof UnknownOutcome && callId)) throw error;
      return once().catch(() => { throw Object.assign(error, { callId }); });
    });
  }
  const tag = (tenant) => (tagged ? `{${tenant}}` : tenant);
  const key = (kind, tenant, ...rest) => [`meterdeck:${kind}`, tag(tenant), ...rest].join(":");
  const index = (...names) => (tagged ? [] : names.map((name) => `meterdeck:${name}`));
  const placeOf = (tenant, each, period) => ({ counter: `usage:${tag(tenant)}:${each}:${period}`,
    override: key("override", tenant, each), reserved: key("reserved", tenant, each, period),
    beyond: key("beyond", tenant, each, period) });
  function termOf(tenant, resource, cycle, now, argument) {
    check(Object.hasOwn(resources, resource), `resource ${resource}`);
    const { limit: own, cycle: cycled, rule = "" } = resources[resource];
    const source = own !== undefined ? "default" : argument !== undefined ? "argument" : "none";
    const limit = own ?? (source === "argument" ? whole(argument, 0, resource) : "none");
    const time = periodOf(cycled ? cycle : "", now), place = placeOf(tenant, resource, time.period);
    const fields = [resource, time.periodStart, time.periodEnd, time.period, limit, source, rule];
    return { resource, cycled, rule, limit, source, time, fields, ...place };
  }
  async function count(tenant, amounts, { callId, limits = {} }, hold = 1) {
    const name = bytesOf(tenant, tagged), wanted = Object.keys(amounts).sort(); // one order
    const id = callId === undefined ? [] : [key("call", name, idOf(callId))];
    if (cycles.size > 10_000) cycles.clear();
    for (let round = 0; round < 4; round++) {
      const cycle = cycles.get(name) ?? "  ", now = performance.now() + ahead;
      const terms = wanted.map((each) => termOf(name, each, cycle, now, limits[each]));
      const all = (field) => terms.map((term) => term[field]);
      const keys = [...index("seq", "changed", "reserving"), key("tenant", name),
        key("refusals", name), ...all("counter"), ...all("override"), ...all("reserved"),
        ...terms.filter((term) => term.rule).map((term) => term.beyond), ...id];
      const [seconds] = tagged && hold > 1 ? await send("TIME") : [];
      for (const { counter } of seconds ? terms : []) // which no script can note there
        await send("ZADD", "meterdeck:reserving", "LT", seconds * 1000 + Number(hold), counter);
      const [answer] = await run(consumeScript, callId, keys.length, ...keys,
        1, terms.length, 600, noted, kept, ...terms.flatMap((term) => term.fields),
        name, all("cycled").some(Boolean) ? cycle : "", id.length && hold, terms.length,
        ...wanted.flatMap((each, i) => [i + 1, whole(amounts[each], 1, each)]));
      if (answer[0] === "period") ahead = answer[1] - performance.now();
      else if (answer[0] === "cycle") cycles.set(name, answer[1]);
      else return decisionOf(done(answer), terms, callId);
    }
    return refuse("bad", "the period keeps changing; nothing was counted");
  }
  async function settle(how, tenant, callId, amounts) {
    const name = bytesOf(tenant, tagged), rest = [], keys = [key("call", name, idOf(callId)),
      key("settled", name, callId), ...index("seq", "changed")];
    const ask = (n) => run(settleScript, callId, keys.length, ...keys,
      how, noted, name, callId, kept, n, ...rest);
    const taken = split(done(await ask(0)), 3); // of each resource: its name, period, units
    for (const each in amounts) check(taken.some(([resource]) => resource === each), each);
    for (const [resource, period] of taken) {
      const { counter, reserved, beyond } = placeOf(name, resource, period);
      const units = amounts?.[resource] ?? (amounts && how === "release" ? 0 : "");
      keys.push(counter, reserved, beyond);
      rest.push(period, units === "" ? "" : whole(units, 0, resource));
    }
    const [replayed, ...rows] = done(await ask(taken.length));
    const results = split(rows, 6).map(([each, back, current, , , period]) =>
      [each, { givenBack: +back, current: +current, period }]);
    return { callId, replayed: replayed === "1", resources: Object.fromEntries(results) };
  }
  async function peek(tenant) {
    const name = bytesOf(tenant, tagged), all = Object.keys(resources), answer = {};
    const fields = ["anchor", "interval", "interval_count", ...all.map((each) => `limit:${each}`)];
    const entry = await send("HMGET", key("tenant", name), ...fields), time = await send("TIME");
    const now = time[0] * 1000 + Math.floor(time[1] / 1000), cycle = entry.splice(0, 3).join(" ");
    await Promise.all(all.map(async (each, i) => {
      const term = termOf(name, each, cycle, now);
      const [used, [units, ends], expired] = await Promise.all([send("GET", term.counter),
        send("HMGET", term.override, "units", "expires_at"),
        send("ZRANGEBYSCORE", term.reserved, "-inf", now)]); // not given back yet
      const [limit, source] = units !== null && !(ends && ends <= now) ? [units, "override"]
        : entry[i] !== null ? [entry[i], "plan"] : [term.limit, term.source];
      const back = expired.reduce((sum, member) => sum + Number(member.split(":")[1]), 0);
      const current = number(used ?? "0"), left = Math.min(back, Math.max(0, current));
      answer[each] = standing(current - left, limit, source, term.time);
    }));
    return answer;
  }
  return { peek, consume: (tenant, amounts, options = {}) => count(tenant, amounts, options),
    reserve: async (tenant, amounts, { ttlMs, callId = randomUUID(), limits }) =>
      count(tenant, amounts, { callId, limits }, whole(ttlMs, 1000, "ttlMs", 86_400_000)),
    confirm: (tenant, callId, amounts) => settle("confirm", tenant, callId, amounts),
    release: (tenant, callId, amounts) => settle("release", tenant, callId, amounts) };
}
const refuse = (code, what) => { throw new MeterdeckError(code, what); };
const check = (sound, what, code = "bad") => Boolean(sound) || refuse(code, what);
const idOf = (id) => check(id && /^[\w.-]{1,128}$/.test(id), `call id ${id}`) && id;
const whole = (value, least, what, most = 2 ** 53) => check(value >= least && value <= most
  && (typeof value === "bigint" || Number.isInteger(value)), `${what}: ${value}`) && value;
const bytesOf = (tenant, tagged, name = Buffer.from(tenant).toString("latin1")) => check(name !== ""
  && name.length <= 512 && (Buffer.isBuffer(tenant) || tenant.isWellFormed())
  && !(tagged && name[0] === "}"), `tenant ${tenant}`) && name;
const done = ([word, ...rest]) => check(/^(ok|call)$/.test(word), rest.join(" "), word) && rest;
const number = (text) => check(/^(0|-?[1-9][0-9]*)$/.test(text), text, "broken") && Number(text);
const split = (list, n) => (list.length ? [list.slice(0, n), ...split(list.slice(n), n)] : []);
const standing = (current, limit, source, time) => {
  const units = limit === "none" || limit === "unlimited" ? null : number(limit);
  const remaining = units === null ? null : Math.max(0, units - current);
  return { current, limit: units, source, remaining, ...time };
};
const decisionOf = ([replayed, allowed, , ...rows], terms, callId) => {
  const resources = {};
  for (const [i, row] of split(rows, rows.length / terms.length).entries()) {
    const [name, current, limit, source, verdict, start, end, period] =
      callId === undefined ? [terms[i].resource, ...row] : row;
    const time = period ? { period, periodStart: +start, periodEnd: +end } : terms[i].time;
    resources[name] = { ...standing(+current, limit, source, time) };
    resources[name].reason = verdict === "0" ? null : verdict; // over and shadow allow it
  }
  return { allowed: allowed === "1", replayed: replayed === "1", callId, resources };
};
