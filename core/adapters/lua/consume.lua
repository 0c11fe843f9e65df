-- consume: check every limit of a call and count all of it or nothing; many calls at
-- once, each independent of the others and answered by itself.
--
-- A later call sees what an earlier one counted. Calls of several tenants may go
-- together unless keys are tagged for a cluster.
-- KEYS, if ARGV[4] is 1:  string  last sequence number
--                         zset    index of changed tenants
--                         zset    counters by their first reservation's expiry
-- then for each call, of n resources, its keys, all of one tenant:
--   1              hash    directory entry of the tenant (may not exist)
--   2              stream  refusals of the tenant
--   2+i, i = 1..n  string  counter
--   2+n+i          hash    override (may not exist)
--   2+2n+i         zset    reservations (may not exist)
--   2+3n+j         hash    use beyond the limit, for each of its m resources whose
--                          term has a rule, in their order (may not exist)
--   3+3n+m         string  what is kept of the call's id; only if the call has one
-- ARGV[1]  number of calls, 1..64
-- ARGV[2]  number of terms
-- ARGV[3]  seconds to keep the answers of calls that have an id
-- ARGV[4]  1: note changes in the index; 0: do not
-- ARGV[5]  milliseconds a counter is kept after its period's end
-- then for each term, 7: resource, period start and end (ms, [start, end)), period
--   label, limit where the directory entry has none (digits, `unlimited` or `none`),
--   name of that limit's source, rule for what passes the limit (see rules.lua) where
--   the directory entry has none; empty: hard, and no entry says otherwise
--   A period that starts and ends at 0 is none: the term is always current, and neither
--   its counter nor what is kept beside it gets an expiry.
-- then for each call, 4: tenant; billing cycle the periods were computed from,
--   `anchor interval count` as in the directory entry, empty if all are calendar
--   months; 0 if it has no id, 1 if it has one, more if it is a reservation that has
--   one: the ms until it gives itself back; n, 1..64
--   and for each of its resources, 2: number of its term, amount (1..2^53)
-- Replies with one answer a call, in order; every element of an answer is a string:
--   ok, replayed 0|1, allowed 0|1, server ms, then for each resource
--     without an id 4: value now, limit (digits | unlimited | none), source (override |
--       plan | the term's), verdict: 0 (within the limit), over | shadow (beyond it),
--       over_limit | larger_than_limit | blocked (why the call is refused)
--     with an id 8: name, those four, period start, end, label (as they were then, if
--       replayed)
--   period, server ms              a period is not the current one; nothing written
--   cycle, `anchor interval count` the directory has another cycle; nothing written
--   broken, key, type, value       not a counter or limit; nothing written
--   foreign, key, type, wanted     the key is something else's; nothing written
--   overflow, name                 the counter would pass 2^53; nothing written
--   reused                         this call id was used for something else
--   bad, what                      an argument is wrong; nothing written
-- One answer `bad` alone, where there are more calls: they cannot be told apart;
-- nothing of any call was written.

local HEAD, TERM, CALL = 5, 7, 4
local MOST_CALLS, MOST_RESOURCES = 64, 64
local AT_ONCE = 31 -- keys asked for in one command
local LOOK = 16 -- units between two looks whether a counter has an expiry

local count, kinds = not_negative(ARGV[1]), not_negative(ARGV[2])
local keep_s = not_negative(ARGV[3])
local indexed = ARGV[4] == '1'
local retention = not_negative(ARGV[5])
if not count or count < 1 or count > MOST_CALLS then return {{'bad', 'ARGV[1]'}} end
if not kinds or HEAD + TERM * kinds > #ARGV then return {{'bad', 'ARGV[2]'}} end
if not keep_s then return {{'bad', 'ARGV[3]'}} end
if not indexed and ARGV[4] ~= '0' then return {{'bad', 'ARGV[4]'}} end
if not retention then return {{'bad', 'ARGV[5]'}} end

local now = clock_ms()
local now_text = digits(now)

-- Terms by their number as the calls write it.
local terms, any_rule = {}, false
for i = 1, kinds do
  local at = HEAD + TERM * (i - 1)
  local first, past = not_negative(ARGV[at + 2]), not_negative(ARGV[at + 3])
  local term = {
    name = ARGV[at + 1], first = ARGV[at + 2], past = ARGV[at + 3],
    label = ARGV[at + 4], limit = ARGV[at + 5], source = ARGV[at + 6],
    field = 'limit:' .. ARGV[at + 1],
  }
  if ARGV[at + 7] ~= '' then
    any_rule = true
    term.ruled, term.rule = 'rule:' .. term.name, ARGV[at + 7]
  end
  if past == 0 and first == 0 then
    term.current = true
  elseif not first or not past or past <= first then
    term.wrong = 'period of ' .. term.name
  else
    term.current = first <= now and now < past
    term.expires = digits(past + retention)
  end
  terms[digits(i)] = term
end

-- Where each call's arguments and keys begin.
local arguments_at, keys_at, sizes, call_keys = {}, {}, {}, {}
-- Every counter once, by a number: plain arrays, as a call is too short for tables
-- of its own.
local numbers, counters = {}, 0 -- key -> number; how many
local counter_keys, reserved_keys, tenants = {}, {}, {}
local rare_keys, rares = {}, 0 -- reservations and overrides
local there = {} -- those of them that exist
do
  local at, key_at = HEAD + TERM * kinds, indexed and 3 or 0
  for i = 1, count do
    local size, kept = not_negative(ARGV[at + 4]), ARGV[at + 3]
    if not size or size < 1 or size > MOST_RESOURCES then
      return {{'bad', 'number of resources'}}
    end
    if kept ~= '0' and (not not_negative(kept) or keep_s < 1) then
      return {{'bad', 'call id'}}
    end
    arguments_at[i], keys_at[i], sizes[i] = at, key_at, size
    local past = key_at + 2 + 3 * size
    if any_rule then
      for j = 1, size do
        local term = terms[ARGV[at + CALL + 2 * j - 1]]
        if term and term.rule then past = past + 1 end
      end
    end
    if kept ~= '0' then
      past = past + 1
      call_keys[i] = KEYS[past]
    end
    if not KEYS[past] then return {{'bad', 'number of KEYS'}} end
    for j = key_at + 3, key_at + 2 + size do
      local key = KEYS[j]
      if not numbers[key] then
        counters = counters + 1
        numbers[key], counter_keys[counters] = counters, key
        reserved_keys[counters], tenants[counters] = KEYS[j + 2 * size], ARGV[at + 1]
        rares = rares + 1
        rare_keys[rares] = KEYS[j + 2 * size]
      end
      rares = rares + 1
      rare_keys[rares] = KEYS[j + size]
    end
    at = at + CALL + 2 * size
    key_at = past
  end
  if #ARGV ~= at then return {{'bad', 'number of ARGV'}} end
  if #KEYS ~= key_at then return {{'bad', 'number of KEYS'}} end
end

-- By a counter's number: its value, whether it was there, or why it cannot be used.
local used, found, broken = {}, {}, {}
for from = 1, counters, AT_ONCE do
  local to = math.min(from + AT_ONCE - 1, counters)
  local values = redis.call('MGET', unpack(counter_keys, from, to))
  for i = from, to do
    local raw = values[i - from + 1]
    if raw then
      used[i], found[i] = whole(raw), true
      if not used[i] then
        broken[i] = {'broken', counter_keys[i], 'string', string.sub(raw, 1, 64)}
      end
    else -- no key, or one of another type
      used[i], broken[i] = read_counter(counter_keys[i])
    end
  end
end
local rare = false
for from = 1, rares, AT_ONCE do
  local to = math.min(from + AT_ONCE - 1, rares)
  if redis.call('EXISTS', unpack(rare_keys, from, to)) > 0 then
    rare = true
    for i = from, to do there[rare_keys[i]] = true end
  end
end
