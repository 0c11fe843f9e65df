-- What is decided about each call of consume, and written for all of them.
-- Comes after consume.lua, which read the arguments, and after checks.lua,
-- reserved.lua, rules.lua and refusals.lua.

-- The limit that counts: override, else plan, else default or argument (the term's).
-- Returns an answer if it cannot be told; else nil, the limit, its source and, if it
-- is a number, its units.
local function find_limit(term, override_key, planned, entry_key)
  local limit, source, place = term.limit, term.source, override_key
  if planned then limit, source, place = planned, 'plan', entry_key end
  if there[override_key] then
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

-- Tables that each call fills anew: to make them would take longer than to decide.
local planned, wanted, amounts = {}, {}, {}

-- Fill `planned` with the plan's limits of a call's resources, and after them the rules
-- of those terms that have one; or return an answer.
local function read_entry(key, cycle, size)
  if size == 1 and cycle == '' and not any_rule then
    local entry, kind = read('HMGET', key, wanted[1].field)
    if kind then return {'foreign', key, kind, 'a directory entry'} end
    planned[1] = entry[1]
    return nil
  end
  local fields, before = {}, 0
  if cycle ~= '' then
    fields, before = {'anchor', 'interval', 'interval_count'}, 3
  end
  for i = 1, size do fields[before + i] = wanted[i].field end
  if any_rule then
    for i = 1, size do fields[#fields + 1] = wanted[i].ruled end
  end
  local entry, kind = read('HMGET', key, unpack(fields))
  if kind then return {'foreign', key, kind, 'a directory entry'} end
  if before > 0 then
    local now_there =
      (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
    if now_there ~= cycle then return {'cycle', now_there} end
  end
  for i = before + 1, #fields do planned[i - before] = entry[i] end
  return nil
end

-- Fill `wanted` and `amounts` with a call's terms and amounts, or return an answer.
local function read_wanted(call)
  local at, key_at, size = arguments_at[call] + CALL, keys_at[call], sizes[call]
  local seen
  for i = 1, size do
    local term, amount = terms[ARGV[at + 2 * i - 1]], not_negative(ARGV[at + 2 * i])
    if not term then return {'bad', 'number of a term'} end
    if not amount or amount < 1 then return {'bad', 'amount of ' .. term.name} end
    if term.wrong then return {'bad', term.wrong} end
    if size > 1 then
      local key = KEYS[key_at + 2 + i]
      seen = seen or {}
      if seen[key] then return {'bad', term.name .. ' is named twice'} end
      seen[key] = true
    end
    wanted[i], amounts[i] = term, amount
  end
  return nil
end

-- What will be written once every call is decided.
local added, increments = {}, {} -- by a counter's number; those numbers, in order
local spilled = {} -- what no single INCRBY can add exactly
local expiries = {} -- by a counter's number: what to set where it has none
local changed_tenants, noted, answers_kept = {}, {}, {}
local given_back, reserved_now
local kept_by_key = {}

local function count_later(number, amount, term)
  local key, before = counter_keys[number], used[number]
  if not added[number] then
    need_right('INCRBY', key, '1')
    increments[#increments + 1] = number
    added[number] = 0
  end
  -- The first write sets the expiry, and traffic never moves it. Another program's
  -- counter may have none; to look for that each time costs a tenth of a call.
  if term.expires and not expiries[number]
    and (not found[number] or before < LOOK or before % LOOK < amount) then
    need_right('PEXPIREAT', key, term.expires, 'NX')
    expiries[number] = term.expires
  end
  if added[number] > LARGEST - amount then -- from far below 0
    spilled[#spilled + 1] = {key = key, units = added[number]}
    added[number] = 0
  end
  added[number] = added[number] + amount
  used[number] = before + amount
end

local function note_later(tenant)
  if not indexed or noted[tenant] then return end
  noted[tenant] = true
  changed_tenants[#changed_tenants + 1] = tenant
end

if rare then
  given_back = {}
  for number = 1, counters do
    local key, reserved = counter_keys[number], reserved_keys[number]
    if there[reserved] and not broken[number] then
      local units, wrong, expired = expired_units(reserved, now_text, used[number])
      broken[number] = wrong
      if expired then
        used[number] = used[number] - units
        given_back[#given_back + 1] = {key = key, reserved = reserved, units = units}
        need_right('INCRBY', key, '1')
        need_right('ZREMRANGEBYSCORE', reserved, '-inf', now_text)
        note_later(tenants[number])
      end
    end
  end
end

local rules, refusals = any_rule and make_rules() or nil, nil

-- Check one call; what it counts is seen by the calls after it.
local function decide(call)
  local at, key_at, size = arguments_at[call], keys_at[call], sizes[call]
  for i = 1, size do
    if not wanted[i].current then return {'period', now_text} end
  end
  local entry_key, overrides_at, rule_keys_at =
    KEYS[key_at + 1], key_at + 2 + size, key_at + 2 + 3 * size
  local problem = read_entry(entry_key, ARGV[at + 2], size)
  if problem then return problem end
  local answer, ruled, beyond, refused =
    {'ok', '0', '1', now_text, '', '', '', ''}, 0, nil, nil
  for i = 1, size do
    local term, amount = wanted[i], amounts[i]
    local number = numbers[KEYS[key_at + 2 + i]]
    local limit, source, units
    problem, limit, source, units =
      find_limit(term, KEYS[overrides_at + i], planned[i], entry_key)
    problem = problem or broken[number]
    if problem then return problem end
    local before, given = used[number], '0'
    if term.rule then
      ruled = ruled + 1
      -- That of the limit's own plan, else the term's.
      local text = planned[i] and planned[size + ruled] or term.rule
      local rule, key = rules.read(text), KEYS[rule_keys_at + ruled]
      if not rule then
        return {'broken', entry_key, 'string', string.sub(text, 1, 64)}
      end
      if units then
        given, problem =
          rules.verdict(rule, key, before, amount, units, now, not term.expires)
      end
      if problem then return problem end
      if given == 'over' or given == 'shadow' then
        beyond = beyond or {}
        beyond[#beyond + 1] = {rule, key, given, amount, term.expires or '', now}
      end
    elseif units and before + amount > units then
      given = refusal(amount, units)
    end
    if given ~= '0' and given ~= 'over' and given ~= 'shadow' then
      refused = refused or {}
      refused[#refused + 1] = i
    elseif before > LARGEST - amount then
      return {'overflow', term.name}
    end
    answer[4 * i + 2], answer[4 * i + 3], answer[4 * i + 4] = limit, source, given
  end
  if beyond and not refused then
    for _, each in ipairs(beyond) do rules.note(unpack(each)) end
  end
  for i = 1, size do
    local number = numbers[KEYS[key_at + 2 + i]]
    if not refused then count_later(number, amounts[i], wanted[i]) end
    answer[4 * i + 1] = digits(used[number])
  end
  if not refused then
    note_later(ARGV[at + 1])
    return answer
  end
  answer[3] = '0'
  refusals = refusals or make_refusals()
  for _, i in ipairs(refused) do
    local term = wanted[i]
    refusals.note(KEYS[key_at + 2], now, {
      'at', now_text, 'resource', term.name, 'reason', answer[4 * i + 4],
      'before', answer[4 * i + 1], 'cost', digits(amounts[i]),
      'limit', answer[4 * i + 2], 'source', answer[4 * i + 3],
      'start', term.first, 'end', term.past, 'period', term.label,
      'call', string.match(call_keys[call] or '', '[^:]*$'),
    })
  end
  return answer
end

-- The same for a call with an id: answered once, repeated ever after.
local function decide_once(call)
  local key, hold_ms = call_keys[call], tonumber(ARGV[arguments_at[call] + 3])
  local size = sizes[call]
  local request = hold_ms > 1 and {'reserve'} or {}
  for i = 1, size do
    request[#request + 1] = wanted[i].name
    request[#request + 1] = digits(amounts[i])
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
  local decided = decide(call)
  if decided[1] ~= 'ok' then return decided end
  local answer = {unpack(decided, 1, 4)}
  for i = 1, size do
    local term = wanted[i]
    for _, value in ipairs({
      term.name, decided[4 * i + 1], decided[4 * i + 2], decided[4 * i + 3],
      decided[4 * i + 4], term.first, term.past, term.label,
    }) do
      answer[#answer + 1] = value
    end
  end
  need_right('SET', key, '', 'EX', digits(keep_s))
  earlier = {key = key, request = request, answer = answer, seconds = keep_s}
  if hold_ms > 1 then
    earlier.seconds = keep_s + math.ceil(hold_ms / 1000)
    reserved_now = reserved_now or {}
    for i = 1, answer[3] == '1' and size or 0 do
      local number = numbers[KEYS[keys_at[call] + 2 + i]]
      local held = {
        key = reserved_keys[number], counter = counter_keys[number],
        gone = wanted[i].expires,
        member = string.match(key, '[^:]*$') .. ':' .. digits(amounts[i]),
        expires = digits(now + hold_ms),
      }
      need_right('ZADD', held.key, held.expires, held.member)
      if held.gone then need_right('PEXPIREAT', held.key, held.gone, 'NX') end
      reserved_now[#reserved_now + 1] = held
    end
  end
  kept_by_key[key] = earlier
  answers_kept[#answers_kept + 1] = earlier
  return answer
end

local answers = {}
for call = 1, count do
  local problem = read_wanted(call)
  if problem then
    answers[call] = problem
  elseif call_keys[call] then
    answers[call] = decide_once(call)
  else
    answers[call] = decide(call)
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
    members[2 * i - 1], members[2 * i] = argument(from + i), tenant
  end
  redis.call('ZADD', KEYS[2], unpack(members))
end
for _, back in ipairs(given_back or {}) do
  if back.units > 0 then redis.call('INCRBY', back.key, digits(-back.units)) end
  redis.call('ZREMRANGEBYSCORE', back.reserved, '-inf', now_text)
end
for _, more in ipairs(spilled) do
  redis.call('INCRBY', more.key, digits(more.units))
end
for _, number in ipairs(increments) do
  redis.call('INCRBY', counter_keys[number], argument(added[number]))
  if expiries[number] then
    redis.call('PEXPIREAT', counter_keys[number], expiries[number], 'NX')
  end
end
for _, kept in ipairs(answers_kept) do
  keep(kept.key, kept.request, kept.answer, digits(kept.seconds))
end
for _, held in ipairs(reserved_now or {}) do
  redis.call('ZADD', held.key, held.expires, held.member)
  if held.gone then redis.call('PEXPIREAT', held.key, held.gone, 'NX') end
  if indexed then redis.call('ZADD', KEYS[3], 'LT', held.expires, held.counter) end
end
if rules then rules.write() end
if refusals then refusals.write() end
return answers
