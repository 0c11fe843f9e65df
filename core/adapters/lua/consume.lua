-- consume: check every limit of a call and count all of it or nothing; many calls at
-- once, each independent of the others and answered by itself.
--
-- A later call sees what an earlier one counted. Calls of several tenants may go
-- together unless keys are tagged for a cluster.
-- KEYS, if ARGV[4] is 1:  string  last sequence number
--                         zset    index of changed tenants
-- then for each call, of n resources, its keys, all of one tenant:
--   1              hash    directory entry of the tenant (may not exist)
--   1+i, i = 1..n  string  counter
--   1+n+i          hash    override (may not exist)
--   2+2n           string  what is kept of the call's id; only if the call has one
-- ARGV[1]  number of calls, 1..64
-- ARGV[2]  number of terms
-- ARGV[3]  seconds to keep the answers of calls that have an id
-- ARGV[4]  1: note changes in the index; 0: do not
-- ARGV[5]  milliseconds a counter is kept after its period's end
-- then for each term, 6: resource, period start and end (ms, [start, end)), period
--   label, limit where the directory entry has none (digits, `unlimited` or `none`),
--   name of that limit's source
-- then for each call, 4: tenant; billing cycle the periods were computed from,
--   `anchor interval count` as in the directory entry, empty if all are calendar
--   months; 1 if it has an id, else 0; n, 1..64
--   and for each of its resources, 2: number of its term, amount (1..2^53)
-- Replies with one answer a call, in order; every element of an answer is a string:
--   ok, replayed 0|1, allowed 0|1, server ms, then for each resource
--     without an id 4: value now, limit (digits | unlimited | none), source (override |
--       plan | the term's), refused 0|1
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

local HEAD, TERM, CALL = 5, 6, 4
local MOST_CALLS, MOST_RESOURCES = 64, 64
local AT_ONCE = 16 -- keys asked for in one command

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
local terms = {}
for i = 1, kinds do
  local at = HEAD + TERM * (i - 1)
  local first, past = not_negative(ARGV[at + 2]), not_negative(ARGV[at + 3])
  local term = {
    name = ARGV[at + 1], first = ARGV[at + 2], past = ARGV[at + 3],
    label = ARGV[at + 4], limit = ARGV[at + 5], source = ARGV[at + 6],
    field = 'limit:' .. ARGV[at + 1],
  }
  if not first or not past or past <= first then
    term.wrong = 'period of ' .. term.name
  else
    term.current = first <= now and now < past
    term.expires = digits(past + retention)
  end
  terms[digits(i)] = term
end

-- Where each call's arguments and keys begin; every counter and override once.
local arguments_at, keys_at, sizes = {}, {}, {}
local counters, counter_keys, override_keys = {}, {}, {}
local overrides = {} -- by key: false, or true where there may be one
do
  local at, key_at = HEAD + TERM * kinds, indexed and 2 or 0
  for i = 1, count do
    local size, kept = not_negative(ARGV[at + 4]), ARGV[at + 3]
    if not size or size < 1 or size > MOST_RESOURCES then
      return {{'bad', 'number of resources'}}
    end
    if kept ~= '0' and (kept ~= '1' or keep_s < 1) then return {{'bad', 'call id'}} end
    arguments_at[i], keys_at[i], sizes[i] = at, key_at, size
    at = at + CALL + 2 * size
    local past = key_at + 1 + 2 * size + (kept == '1' and 1 or 0)
    if not KEYS[past] then return {{'bad', 'number of KEYS'}} end
    for j = key_at + 2, key_at + 1 + size do
      local key, override = KEYS[j], KEYS[j + size]
      if not counters[key] then
        counters[key] = {key = key}
        counter_keys[#counter_keys + 1] = key
      end
      if overrides[override] == nil then
        overrides[override] = false
        override_keys[#override_keys + 1] = override
      end
    end
    key_at = past
  end
  if #ARGV ~= at then return {{'bad', 'number of ARGV'}} end
  if #KEYS ~= key_at then return {{'bad', 'number of KEYS'}} end
end

for from = 1, #counter_keys, AT_ONCE do
  local to = math.min(from + AT_ONCE - 1, #counter_keys)
  local values = redis.call('MGET', unpack(counter_keys, from, to))
  for i = from, to do
    local counter, raw = counters[counter_keys[i]], values[i - from + 1]
    if raw then
      counter.used = whole(raw)
      if not counter.used then
        counter.broken = {'broken', counter.key, 'string', string.sub(raw, 1, 64)}
      end
    else -- no key, or one of another type
      counter.used, counter.broken = read_counter(counter.key)
    end
  end
end
for from = 1, #override_keys, AT_ONCE do
  local to = math.min(from + AT_ONCE - 1, #override_keys)
  if redis.call('EXISTS', unpack(override_keys, from, to)) > 0 then
    for i = from, to do overrides[override_keys[i]] = true end
  end
end

-- The limit that counts: override, else plan, else the term's. Returns an answer if
-- it cannot be told; else nil, the limit, its source and, if it is a number, its units.
local function find_limit(term, override_key, planned, entry_key)
  local limit, source, place = term.limit, term.source, override_key
  if planned then limit, source, place = planned, 'plan', entry_key end
  if overrides[override_key] then
    local override, kind = read('HMGET', override_key, 'units', 'expires_at')
    if kind then return {'foreign', override_key, kind, 'an override'} end
    local ends = tonumber(override[2] or '')
    if override[1] and not (ends and ends <= now) then
      limit, source, place = override[1], 'override', override_key
    end
  end
  if limit == 'unlimited' or limit == 'none' then return nil, limit, source, nil end
  local units = not_negative(limit)
  if not units then return {'broken', place, 'string', string.sub(limit, 1, 64)} end
  return nil, limit, source, units
end

-- The plan's limits of a call's resources, or nil and an answer.
local function read_entry(key, cycle, wanted)
  local fields, before = {}, 0
  if cycle ~= '' then
    fields, before = {'anchor', 'interval', 'interval_count'}, 3
  end
  for i, term in ipairs(wanted) do fields[before + i] = term.field end
  local entry, kind = read('HMGET', key, unpack(fields))
  if kind then return nil, {'foreign', key, kind, 'a directory entry'} end
  if before == 0 then return entry, nil end
  local there = (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
  if there ~= cycle then return nil, {'cycle', there} end
  return {unpack(entry, before + 1, before + #wanted)}, nil
end

-- A call's terms and amounts, or nil and an answer.
local function read_wanted(call)
  local at, key_at, size = arguments_at[call] + CALL, keys_at[call], sizes[call]
  local wanted, amounts, seen = {}, {}, nil
  for i = 1, size do
    local term, amount = terms[ARGV[at + 2 * i - 1]], not_negative(ARGV[at + 2 * i])
    if not term then return nil, {'bad', 'number of a term'} end
    if not amount or amount < 1 then return nil, {'bad', 'amount of ' .. term.name} end
    if term.wrong then return nil, {'bad', term.wrong} end
    if size > 1 then
      local key = KEYS[key_at + 1 + i]
      seen = seen or {}
      if seen[key] then return nil, {'bad', term.name .. ' is named twice'} end
      seen[key] = true
    end
    wanted[i], amounts[i] = term, amount
  end
  return wanted, nil, amounts
end

-- What will be written once every call is decided.
local increments, changed_tenants, noted, answers_kept = {}, {}, {}, {}
local kept_by_key = {}

local function count_later(counter, amount, term)
  local increment = counter.increment
  if not increment or increment.amount > LARGEST - amount then
    if not increment then
      need_right('INCRBY', counter.key, '1')
      need_right('PEXPIREAT', counter.key, term.expires, 'NX')
    end
    increment = {key = counter.key, amount = 0, expires = term.expires}
    counter.increment = increment
    increments[#increments + 1] = increment
  end
  increment.amount = increment.amount + amount
  counter.used = counter.used + amount
end

local function note_later(tenant)
  if not indexed or noted[tenant] then return end
  noted[tenant] = true
  changed_tenants[#changed_tenants + 1] = tenant
end

-- Check one call; what it counts is seen by the calls after it.
local function decide(call, wanted, amounts)
  local at, key_at, size = arguments_at[call], keys_at[call], sizes[call]
  for _, term in ipairs(wanted) do
    if not term.current then return {'period', now_text} end
  end
  local planned, problem = read_entry(KEYS[key_at + 1], ARGV[at + 2], wanted)
  if problem then return problem end
  local answer, allowed = {'ok', '0', '1', now_text}, true
  for i, term in ipairs(wanted) do
    local counter, amount = counters[KEYS[key_at + 1 + i]], amounts[i]
    local limit, source, units
    problem, limit, source, units =
      find_limit(term, KEYS[key_at + 1 + size + i], planned[i], KEYS[key_at + 1])
    problem = problem or counter.broken
    if problem then return problem end
    local refused = units ~= nil and counter.used + amount > units
    if refused then
      allowed = false
    elseif counter.used > LARGEST - amount then
      return {'overflow', term.name}
    end
    answer[4 * i + 2], answer[4 * i + 3] = limit, source
    answer[4 * i + 4] = refused and '1' or '0'
  end
  if not allowed then answer[3] = '0' end
  for i, term in ipairs(wanted) do
    local counter = counters[KEYS[key_at + 1 + i]]
    if allowed then count_later(counter, amounts[i], term) end
    answer[4 * i + 1] = digits(counter.used)
  end
  if allowed then note_later(ARGV[at + 1]) end
  return answer
end

-- The same for a call with an id: answered once, repeated ever after.
local function decide_once(call, wanted, amounts)
  local size = sizes[call]
  local key, request = KEYS[keys_at[call] + 2 + 2 * size], {}
  for i, term in ipairs(wanted) do
    request[2 * i - 1], request[2 * i] = term.name, digits(amounts[i])
  end
  request = joined(request)
  local earlier = kept_by_key[key]
  if earlier then
    if earlier.request ~= request then return {'reused'} end
    local again = {unpack(earlier.answer)}
    again[2] = '1'
    return again
  end
  local first = first_answer(key, request)
  if first then return first end
  local decided = decide(call, wanted, amounts)
  if decided[1] ~= 'ok' then return decided end
  local answer = {unpack(decided, 1, 4)}
  for i, term in ipairs(wanted) do
    for _, value in ipairs({
      term.name, decided[4 * i + 1], decided[4 * i + 2], decided[4 * i + 3],
      decided[4 * i + 4], term.first, term.past, term.label,
    }) do
      answer[#answer + 1] = value
    end
  end
  need_right('SET', key, '', 'EX', digits(keep_s))
  earlier = {key = key, request = request, answer = answer}
  kept_by_key[key] = earlier
  answers_kept[#answers_kept + 1] = earlier
  return answer
end

local answers = {}
for call = 1, count do
  local wanted, problem, amounts = read_wanted(call)
  if problem then
    answers[call] = problem
  elseif ARGV[arguments_at[call] + 3] == '1' then
    answers[call] = decide_once(call, wanted, amounts)
  else
    answers[call] = decide(call, wanted, amounts)
  end
end

if #changed_tenants > 0 then
  need_right('INCRBY', KEYS[1], '1')
  need_right('ZADD', KEYS[2], '1', '')
end

-- Nothing above writes. The index comes first: were one of its keys of another type,
-- nothing would have been counted. Nothing after it fails.
if #changed_tenants > 0 then
  local last = redis.call('INCRBY', KEYS[1], digits(#changed_tenants))
  local members, from = {}, last - #changed_tenants
  for i, tenant in ipairs(changed_tenants) do
    members[2 * i - 1], members[2 * i] = digits(from + i), tenant
  end
  redis.call('ZADD', KEYS[2], unpack(members))
end
for _, increment in ipairs(increments) do
  redis.call('INCRBY', increment.key, digits(increment.amount))
  -- NX: only the first write sets it, and traffic never moves it.
  redis.call('PEXPIREAT', increment.key, increment.expires, 'NX')
end
for _, kept in ipairs(answers_kept) do
  keep(kept.key, kept.request, kept.answer, digits(keep_s))
end
return answers
