// The periods in which usage is counted, as docs/redis-contract.md defines them.
const DAY = 86_400_000, LENGTHS = { day: DAY, week: 7 * DAY, month: 30 * DAY, year: 365 * DAY };
const LATEST_ANCHOR = 4_102_444_800, LONGEST = 1095;

/**
 * The period that holds `now` (ms since 1970), as { period, periodStart, periodEnd }.
 *
 * `cycle` is `anchor interval interval_count` as in a directory entry; where it names no
 * billing cycle, the period is the calendar month.
 */
export function periodOf(cycle, now) {
  const found = /^(0|[1-9]\d{0,9}) (day|week|month|year) ([1-9]\d*|)$/.exec(cycle);
  const count = Number(found?.[3] || 1); // a missing one is 1
  const known = found && found[1] <= LATEST_ANCHOR && count <= LONGEST;
  const [anchor, unit, steps] = known ? [found[1] * 1000, found[2], count] : [0, "month", 1];
  const months = { month: steps, year: 12 * steps }[unit];
  const begin = (n) => { // from the anchor each time: a 31st comes back after February
    const at = new Date(anchor + (months ? 0 : n * steps * LENGTHS[unit]));
    const day = at.getUTCDate();
    if (months) at.setUTCMonth(at.getUTCMonth() + n * months + 1, 0); // that month's last day
    return at.setUTCDate(Math.min(day, at.getUTCDate()));
  };
  let n = Math.floor((now - anchor) / (steps * LENGTHS[unit])); // about
  while (begin(n) > now) n -= 1;
  while (begin(n + 1) <= now) n += 1;
  const period = new Date(begin(n)).toISOString().slice(0, known ? 10 : 7);
  return { period, periodStart: begin(n), periodEnd: begin(n + 1) };
}
