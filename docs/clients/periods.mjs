// The periods in which usage is counted, as docs/redis-contract.md defines them.
const CYCLE = /^(0|[1-9]\d{0,9}) (day|week|month|year) ([1-9]\d*)?$/;
const LENGTHS = { day: [1, 0], week: [7, 0], month: [0, 1], year: [0, 12] }; // days, months
const LATEST_ANCHOR = 4_102_444_800, LONGEST = 1095, DAY = 86_400_000;
/** The period of a gauge, which has none. */
export const ENDLESS = { period: "now", periodStart: 0, periodEnd: 0 };

/** The period that holds `now` (ms), by an entry's `anchor interval interval_count`. */
export function periodOf(cycle, now) {
  const found = CYCLE.exec(cycle);
  const known = found && found[1] <= LATEST_ANCHOR && (found[3] ?? 1) <= LONGEST;
  const [anchor, unit, count = 1] = known ? found.slice(1) : [0, "month"]; // none: by month
  const [days, months] = LENGTHS[unit].map((each) => each * count);
  const begin = (n) => { // from the anchor each time: a 31st comes back after February
    const at = new Date(anchor * 1000 + n * days * DAY), day = at.getUTCDate();
    if (months) at.setUTCMonth(at.getUTCMonth() + n * months + 1, 0); // that month's last day
    return at.setUTCDate(Math.min(day, at.getUTCDate()));
  };
  let n = Math.floor((now - anchor * 1000) / (days + 30 * months) / DAY); // about
  while (begin(n) > now) n -= 1;
  while (begin(n + 1) <= now) n += 1;
  const period = new Date(begin(n)).toISOString().slice(0, known ? 10 : 7);
  return { period, periodStart: begin(n), periodEnd: begin(n + 1) };
}
