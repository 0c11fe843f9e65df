// A client of meterdeck's Redis contract (redis-contract.md), to copy and to change: README.md.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { ClientClosedError, ClientOfflineError, ErrorReply, TimeoutError } from "redis";
import { ENDLESS, periodOf } from "./periods.mjs";
const UNSENT = [ClientClosedError, ClientOfflineError, TimeoutError], DAY = 86_400_000;
/** `code`: the contract's word (broken, overflow, reused, unknown, …), `unsent` or `lost`. */
export class MeterdeckError extends Error {
  constructor(code, what) { super(`${code}: ${what}`); this.code = code; }
}
export class UnknownOutcome extends MeterdeckError {} // sent, no answer; repeat its `callId`
/** Counts through `redis`, a client that nobody else uses: if need be it is connected anew. */
export function meterOf(redis, { scripts, resources, tagged, keptDays = 35, timeoutMs = 2000 }) {
  const [consumeScript, settleScript] = ["consume", "settle"].map((name) => script(scripts, name));
  const noted = tagged ? 0 : 1, kept = keptDays * DAY, cycles = new Map(); // by tenant
  let ahead = Date.now() - performance.now(); // a guess: the script says when it is wrong
  const reconnect = () => { redis.destroy(); redis.connect().catch(() => {}); };
  function send(...command) { // texts of one character a byte: names need not be UTF-8
    const bytes = command.map((each) => Buffer.from(`${each}`, "latin1"));
    const late = setTimeout(reconnect, 2 * timeoutMs); // this connection may never answer
    const sent = redis.sendCommand(bytes, { timeout: timeoutMs }); // so long until it is sent
    return sent.finally(() => clearTimeout(late)).catch((error) => {
      if (error instanceof ErrorReply) throw error;
      if (UNSENT.includes(error.constructor)) refuse("unsent", error.message);
      throw new UnknownOutcome("lost", error.message);
    });
  }
  async function run({ text, sha1 }, callId, keys, ...rest) {
    const once = () => send("EVALSHA", sha1, keys.length, ...keys, ...rest).catch((error) => {
      if (!error.message.startsWith("NOSCRIPT")) throw error;
      return send("EVAL", text, keys.length, ...keys, ...rest);
    });
    return once().catch((error) => { // repeated once, under its id and only so
      if (!(error instanceof UnknownOutcome && callId)) throw error;
      return once().catch(() => { throw Object.assign(error, { callId }); });
    });
  }
  async function inPeriod(tenant, ask) { // asked again where the server's period is another
    if (cycles.size > 10_000) cycles.clear();
    for (let round = 0; round < 4; round++) {
      const answer = await ask(cycles.get(tenant) ?? "  ", performance.now() + ahead);
      if (answer[0] === "period") ahead = answer[1] - performance.now();
      else if (answer[0] === "cycle") cycles.set(tenant, answer[1]);
      else return done(answer);
    }
    return refuse("bad", "the period keeps changing; nothing was counted");
  }
  const bytesOf = (tenant, name = Buffer.from(tenant).toString("latin1")) => check(name !== ""
    && name.length <= 512 && (Buffer.isBuffer(tenant) || tenant.isWellFormed())
    && !(tagged && name[0] === "}"), `tenant ${tenant}`) && name;
  const tag = (tenant) => (tagged ? `{${tenant}}` : tenant);
  const key = (kind, tenant, ...rest) => [`meterdeck:${kind}`, tag(tenant), ...rest].join(":");
  const index = (...names) => (tagged ? [] : names.map((name) => `meterdeck:${name}`));
  const placeOf = (tenant, each, period) => ({ counter: `usage:${tag(tenant)}:${each}:${period}`,
    override: key("override", tenant, each), reserved: key("reserved", tenant, each, period),
    beyond: key("beyond", tenant, each, period) });
  function termOf(tenant, resource, cycle, now, argument) {
    check(Object.hasOwn(resources, resource), `resource ${resource}`);
    const { limit: own, cycle: cycled, rule = "", kind } = resources[resource];
    const source = own !== undefined ? "default" : argument !== undefined ? "argument" : "none";
    const limit = own ?? (source === "argument" ? whole(argument, 0, resource) : "none");
    const time = kind === "gauge" ? ENDLESS : periodOf(cycled ? cycle : "", now);
    const place = placeOf(tenant, resource, time.period), beyond = rule ? place.beyond : [];
    const fields = [resource, time.periodStart, time.periodEnd, time.period, limit, source, rule];
    return { resource, kind, cycled, limit, source, time, fields, ...place, beyond };
  }
  async function consume(tenant, amounts, { callId, limits = {}, hold = 1 } = {}) {
    const name = bytesOf(tenant), wanted = Object.keys(amounts).sort(); // one order
    const id = callId === undefined ? [] : [key("call", name, idOf(callId))];
    let terms;
    return inPeriod(name, async (cycle, now) => {
      terms = wanted.map((each) => termOf(name, each, cycle, now, limits[each]));
      const all = (field) => terms.flatMap((term) => term[field]);
      check(!all("kind").includes("unique"), "members are not consumed");
      const places = ["counter", "override", "reserved", "beyond"].flatMap(all);
      const keys = [...index("seq", "changed", "reserving"), key("tenant", name),
        key("refusals", name), ...places, ...id];
      const [seconds] = tagged && hold > 1 ? await send("TIME") : [];
      for (const { counter } of seconds ? terms : []) // which no script can note there
        await send("ZADD", "meterdeck:reserving", "LT", seconds * 1000 + Number(hold), counter);
      return (await run(consumeScript, callId, keys, 1, terms.length, 600, noted, kept,
        ...all("fields"), name, all("cycled").some(Boolean) ? cycle : "", id.length && hold,
        terms.length, ...wanted.flatMap((each, i) => [i + 1, whole(amounts[each], 1, each)])))[0];
    }).then((answer) => decisionOf(answer, terms, callId));
  }
  async function settle(how, tenant, callId, amounts) {
    const name = bytesOf(tenant), rest = [], keys = [key("call", name, idOf(callId)),
      key("settled", name, callId), ...index("seq", "changed")];
    const ask = async (n) =>
      done(await run(settleScript, callId, keys, how, noted, name, callId, kept, n, ...rest));
    const taken = split(await ask(0), 3); // of each resource: its name, period, units
    for (const each in amounts) // what is not named is kept
      check(taken.some(([resource]) => resource === each), each) && whole(amounts[each], 0, each);
    for (const [resource, period] of taken) {
      const { counter, reserved, beyond } = placeOf(name, resource, period);
      keys.push(counter, reserved, beyond);
      rest.push(period, amounts?.[resource] ?? (amounts && how === "release" ? 0 : ""));
    }
    const [replayed, ...rows] = await ask(taken.length);
    const resources = named(rows, 6, ([each, back, current, , , period]) =>
      [each, { givenBack: +back, current: +current, period }]);
    return { callId, replayed: replayed === "1", resources };
  }
  async function peek(tenant) {
    const name = bytesOf(tenant), entry = key("tenant", name), answer = {};
    const time = await send("TIME"), now = time[0] * 1000 + Math.floor(time[1] / 1000);
    const cycle = await send("HMGET", entry, "anchor", "interval", "interval_count");
    await Promise.all(Object.keys(resources).map(async (each) => { // all in one round trip
      const term = termOf(name, each, cycle.join(" "), now);
      const [planned, used, [units, ends], expired] = await Promise.all([
        send("HGET", entry, `limit:${each}`), send("GET", term.counter),
        send("HMGET", term.override, "units", "expires_at"),
        send("ZRANGEBYSCORE", term.reserved, "-inf", now)]); // not given back yet
      const [limit, source] = units !== null && !(ends && ends <= now) ? [units, "override"]
        : planned !== null ? [planned, "plan"] : [term.limit, term.source];
      const back = expired.reduce((sum, member) => sum + Number(member.split(":")[1]), 0);
      const current = number(used ?? "0"), left = Math.min(back, Math.max(0, current));
      answer[each] = standing(current - left, limit, source, term.time);
    }));
    return answer;
  }
  return { consume, peek, contract: { run, inPeriod, bytesOf, key, index, termOf, noted, kept },
    reserve: async (tenant, amounts, { ttlMs, callId = randomUUID(), limits }) =>
      consume(tenant, amounts, { callId, limits, hold: whole(ttlMs, 1000, "ttlMs", DAY) }),
    confirm: settle.bind(null, "confirm"), release: settle.bind(null, "release") };
}
export const script = (folder, name, text = readFileSync(`${folder}/${name}.lua`)) =>
  ({ text: text.toString("latin1"), sha1: createHash("sha1").update(text).digest("hex") });
const refuse = (code, what) => { throw new MeterdeckError(code, what); };
export const check = (sound, what, code = "bad") => Boolean(sound) || refuse(code, what);
export const idOf = (id) => check(id && /^[\w.-]{1,128}$/.test(id), `call id ${id}`) && id;
export const whole = (value, least, what, most = 2 ** 53) => check(value >= least && value <= most
  && (typeof value === "bigint" || Number.isInteger(value)), `${what}: ${value}`) && value;
const done = ([word, ...rest]) => check(/^(ok|call)$/.test(word), rest.join(" "), word) && rest;
const number = (text) => check(/^(0|-?[1-9][0-9]*)$/.test(text), text, "broken") && Number(text);
const split = (list, n) => (list.length ? [list.slice(0, n), ...split(list.slice(n), n)] : []);
const named = (list, n, read) => Object.fromEntries(split(list, n).map(read));
export const standing = (current, text, source, time) => {
  const limit = text === "none" || text === "unlimited" ? null : number(text);
  return { current, limit, source, remaining: limit && Math.max(0, limit - current), ...time };
};
export const decisionOf = ([replayed, allowed, , ...rows], terms, callId) => {
  const resources = named(rows, rows.length / terms.length, (row, i) => {
    const [current, limit, source, verdict, start, end, period] = row.slice(row.length > 4 ? 1 : 0);
    const time = period ? { period, periodStart: +start, periodEnd: +end } : terms[i].time;
    const reason = verdict === "0" ? null : verdict; // over and shadow allow it
    return [terms[i].resource, { ...standing(+current, limit, source, time), reason }];
  });
  return { allowed: allowed === "1", replayed: replayed === "1", callId, resources };
};
