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

-- The plan's limits of a call's resources, and then the rules of those terms that
-- have one; or nil and an answer.
local function read_entry(key, cycle, wanted)
  local fields, before = {}, 0
  if cycle ~= '' then
    fields, before = {'anchor', 'interval', 'interval_count'}, 3
  end
  for i, term in ipairs(wanted) do fields[before + i] = term.field end
  if any_rule then
    for _, term in ipairs(wanted) do fields[#fields + 1] = term.ruled end
  end
  local entry, kind = read('HMGET', key, unpack(fields))
  if kind then return nil, {'foreign', key, kind, 'a directory entry'} end
  if before == 0 then return entry, nil end
  local now_there = (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
  if now_there ~= cycle then return nil, {'cycle', now_there} end
  return {unpack(entry, before + 1, #fields)}, nil
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
      local key = KEYS[key_at + 2 + i]
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
local given_back, reserved_now
local kept_by_key = {}

local function count_later(counter, amount, term)
  local increment = counter.increment
  if not increment or increment.amount > LARGEST - amount then
    if not increment then
      need_right('INCRBY', counter.key, '1')
      if term.expires then
        need_right('PEXPIREAT', counter.key, term.expires, 'NX')
      end
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

if rare then
  given_back = {}
  for _, key in ipairs(counter_keys) do
    local counter = counters[key]
    if there[counter.reserved] and not counter.broken then
      local units, wrong, expired =
        expired_units(counter.reserved, now_text, counter.used)
      counter.broken = wrong
      if expired then
        counter.back = units
        counter.used = counter.used - counter.back
        given_back[#given_back + 1] = counter
        need_right('INCRBY', key, '1')
        need_right('ZREMRANGEBYSCORE', counter.reserved, '-inf', now_text)
        note_later(counter.tenant)
      end
    end
  end
end

local rules, refusals = any_rule and make_rules() or nil, nil

-- Check one call; what it counts is seen by the calls after it.
local function decide(call, wanted, amounts)
  local at, key_at, size = arguments_at[call], keys_at[call], sizes[call]
  for _, term in ipairs(wanted) do
    if not term.current then return {'period', now_text} end
  end
  local entry_key, rule_keys_at = KEYS[key_at + 1], key_at + 2 + 3 * size
  local planned, problem = read_entry(entry_key, ARGV[at + 2], wanted)
  if problem then return problem end
  local answer, ruled, beyond, refused = {'ok', '0', '1', now_text}, 0, nil, nil
  for i, term in ipairs(wanted) do
    local counter, amount = counters[KEYS[key_at + 2 + i]], amounts[i]
    local limit, source, units
    problem, limit, source, units =
      find_limit(term, KEYS[key_at + 2 + size + i], planned[i], entry_key)
    problem = problem or counter.broken
    if problem then return problem end
    local given = '0'
    if term.rule then
      ruled = ruled + 1
      -- That of the limit's own plan, else the term's.
      local text = planned[i] and planned[size + ruled] or term.rule
      local rule, key = rules.read(text), KEYS[rule_keys_at + ruled]
      if not rule then
        return {'broken', entry_key, 'string', string.sub(text, 1, 64)}
      end
      if units then
        given, problem = rules.verdict(rule, key, counter.used, amount, units, now)
      end
      if problem then return problem end
      if given == 'over' or given == 'shadow' then
        beyond = beyond or {}
        beyond[#beyond + 1] = {rule, key, given, amount, term.expires or '', now}
      end
    elseif units and counter.used + amount > units then
      given = refusal(amount, units)
    end
    if given ~= '0' and given ~= 'over' and given ~= 'shadow' then
      refused = refused or {}
      refused[#refused + 1] = i
    elseif counter.used > LARGEST - amount then
      return {'overflow', term.name}
    end
    answer[4 * i + 2], answer[4 * i + 3], answer[4 * i + 4] = limit, source, given
  end
  if beyond and not refused then
    for _, each in ipairs(beyond) do rules.note(unpack(each)) end
  end
  for i, term in ipairs(wanted) do
    local counter = counters[KEYS[key_at + 2 + i]]
    if not refused then count_later(counter, amounts[i], term) end
    answer[4 * i + 1] = digits(counter.used)
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
local function decide_once(call, wanted, amounts)
  local key, hold_ms = call_keys[call], tonumber(ARGV[arguments_at[call] + 3])
  local request = hold_ms > 1 and {'reserve'} or {}
  for i, term in ipairs(wanted) do
    request[#request + 1] = term.name
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
  earlier = {key = key, request = request, answer = answer, seconds = keep_s}
  if hold_ms > 1 then
    earlier.seconds = keep_s + math.ceil(hold_ms / 1000)
    reserved_now = reserved_now or {}
    for i, term in ipairs(answer[3] == '1' and wanted or {}) do
      local counter = counters[KEYS[keys_at[call] + 2 + i]]
      local held = {
        key = counter.reserved, counter = counter.key, gone = term.expires,
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
  local wanted, problem, amounts = read_wanted(call)
  if problem then
    answers[call] = problem
  elseif call_keys[call] then
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
for _, counter in ipairs(given_back or {}) do
  redis.call('INCRBY', counter.key, digits(-counter.back))
  redis.call('ZREMRANGEBYSCORE', counter.reserved, '-inf', now_text)
end
for _, increment in ipairs(increments) do
  redis.call('INCRBY', increment.key, digits(increment.amount))
  -- NX: only the first write sets it, and traffic never moves it.
  if increment.expires then
    redis.call('PEXPIREAT', increment.key, increment.expires, 'NX')
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
