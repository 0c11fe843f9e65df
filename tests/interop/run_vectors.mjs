// Runs the contract's cases with the JavaScript client, as tests/support/vectors.py makes
// them of vectors/counting.json. Prints one line of JSON: which cases ran, and what was
// unlike what they expect.
//
//   REDIS_URL  a server for this alone: it is emptied before each case
//   CASES      the file with the cases
//   TAGGED     1: keys are tagged

import { readFileSync } from "node:fs";
import { createClient } from "redis";
import { meterWithKindsOf } from "./kinds.mjs";
import { MeterdeckError } from "./meterdeck.mjs";

const url = process.env.REDIS_URL;
const redis = await createClient({ url, RESP: 2 }).connect();
const own = await createClient({ url, RESP: 2 }).connect(); // the meter's

function bytesOf(name) {
  if (typeof name === "string") return name;
  return Buffer.from(name.hex, "hex");
}

function ask(command) {
  return redis.sendCommand(command.map(bytesOf));
}

function amountOf(each) {
  return each?.integer ? BigInt(each.integer) : each;
}

function amountsOf({ amounts }) {
  const named = Object.entries(amounts ?? {}).map(([name, each]) => [name, amountOf(each)]);
  return amounts && Object.fromEntries(named);
}

function inCase(answer) {
  if (answer === null || typeof answer !== "object") return answer;
  const named = Object.entries(answer).map(([name, each]) => [
    name in names ? names[name] : name,
    inCase(each),
  ]);
  return Object.fromEntries(named);
}
const names = {
  periodStart: "period_start",
  periodEnd: "period_end",
  givenBack: "given_back",
  measuredAt: "measured_at",
};

const calls = {
  consume: (meter, { tenant, id, limits, ...call }) =>
    meter.consume(bytesOf(tenant), amountsOf(call), { callId: id, limits }),
  reserve: (meter, { tenant, id, limits, ttl_ms: ttlMs, ...call }) =>
    meter.reserve(bytesOf(tenant), amountsOf(call), { callId: id, limits, ttlMs }),
  release: (meter, { tenant, id, ...call }) =>
    meter.release(bytesOf(tenant), id, amountsOf(call)),
  confirm: (meter, { tenant, id, ...call }) =>
    meter.confirm(bytesOf(tenant), id, amountsOf(call)),
  set_gauge: (meter, { tenant, resource, value, measured_at: at, id, limits }) =>
    meter.setGauge(bytesOf(tenant), resource, amountOf(value), {
      measuredAt: at === undefined ? undefined : Number(at),
      callId: id,
      limits,
    }),
  count_unique: (meter, { tenant, resource, members, id, limits }) =>
    meter.countUnique(bytesOf(tenant), resource, members.map(bytesOf), { callId: id, limits }),
  peek: async (meter, { tenant }) => ({ resources: await meter.peek(bytesOf(tenant)) }),
};

async function done(meter, step) {
  if (step.redis) return ask(step.redis);
  const [what] = Object.keys(step).filter((name) => name in calls);
  try {
    return inCase(await calls[what](meter, step[what]));
  } catch (error) {
    if (!(error instanceof MeterdeckError)) throw error;
    return { error: error.code };
  }
}

function fits(expected, found) {
  if (Array.isArray(expected)) {
    const same = Array.isArray(found) && found.length === expected.length;
    return same && expected.every((each, i) => fits(each, found[i]));
  }
  if (expected === null || typeof expected !== "object") {
    return expected === found || (typeof found === "number" && expected === String(found));
  }
  if (expected.any) return true;
  if (expected.between) return expected.between[0] <= found && found <= expected.between[1];
  if (found === null || typeof found !== "object") return false;
  return Object.entries(expected).every(([name, each]) => fits(each, found[name]));
}

const wrong = [];
const ran = [];
for (const each of JSON.parse(readFileSync(process.env.CASES, "utf8"))) {
  await redis.sendCommand(["FLUSHDB"]);
  const tagged = process.env.TAGGED === "1";
  const meter = meterWithKindsOf(own, { scripts: "scripts", resources: each.resources, tagged });
  for (const command of each.given) await ask(command);
  for (const [at, step] of [...each.steps, ...each.state].entries()) {
    const expected = step.redis ? step.reply : step.answer;
    const found = await done(meter, step);
    if (!fits(expected, found)) wrong.push({ case: each.name, at, expected, found });
  }
  ran.push(each.name);
}
console.log(JSON.stringify({ ran, wrong }));
redis.destroy();
own.destroy();
