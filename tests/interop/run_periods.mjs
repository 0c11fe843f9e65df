// Prints the periods of vectors/periods.json by the JavaScript client, as a JSON array of
// [label, start, end], moments as in the file.
//
//   PERIODS  the file

import { readFileSync } from "node:fs";
import { periodOf } from "./periods.mjs";

const { periods } = JSON.parse(readFileSync(process.env.PERIODS, "utf8"));
const text = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
const found = periods.map(({ cycle, at }) => {
  const { period, periodStart, periodEnd } = periodOf(cycle, Date.parse(at));
  return [period, text(periodStart), text(periodEnd)];
});
console.log(JSON.stringify(found));
