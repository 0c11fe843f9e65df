// Makes one call with the JavaScript client and prints what became of it, as JSON. A line
// on standard input lets it make the next one.
//
//   REDIS_URL   the server, or a proxy before it
//   TIMEOUT_MS  how long a call may wait to be sent
//   CALLS       JSON: [[method, ...arguments], …]

import { createInterface } from "node:readline";
import { createClient } from "redis";
import { meterWithKindsOf } from "./kinds.mjs";
import { UnknownOutcome } from "./meterdeck.mjs";

const redis = createClient({ url: process.env.REDIS_URL });
redis.on("error", () => {}); // the calls say it
await redis.connect();
const meter = meterWithKindsOf(redis, {
  scripts: "scripts",
  resources: {
    api_calls: { limit: 1000 },
    disk: { kind: "gauge" },
    users: { kind: "unique" },
  },
  timeoutMs: Number(process.env.TIMEOUT_MS),
});

async function outcome([method, ...rest]) {
  try {
    return await meter[method](...rest);
  } catch (error) {
    const { code, callId, message } = error;
    return { error: code, unknown: error instanceof UnknownOutcome, callId, message };
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log(JSON.stringify("ready"));
for (const call of JSON.parse(process.env.CALLS)) {
  await lines.next();
  console.log(JSON.stringify(await outcome(call)));
}
redis.destroy();
process.exit(0);
