-- What happens to a call that would pass a limit. Comes after checks.lua.

-- Why a hard limit refuses.
local function refusal(amount, units)
  if units == 0 then return 'blocked' end
  if amount > units then return 'larger_than_limit' end
  return 'over_limit'
end

-- Everything else is for rules other than plain `hard`: made when there is one, as
-- making functions takes longer than most calls of them.
local function make_rules()
  local rules_read = {}

  -- `hard`, `soft`, `shadow`, or `hard <percent> <seconds>` with `-` for either: grace,
  -- up to so much more than the limit, for so long after it was first passed.
  -- nil for any other text.
  local function read_rule(text)
    local known = rules_read[text]
    if known then return known end
    local rule
    if text == 'hard' or text == 'soft' or text == 'shadow' then
      rule = {kind = text}
    else
      local percent, seconds = string.match(text, '^hard (%S+) (%S+)$')
      if not percent or text == 'hard - -' then return nil end
      rule = {kind = 'grace', percent = not_negative(percent),
        seconds = not_negative(seconds)}
      if percent ~= '-' and not rule.percent then return nil end
      if seconds ~= '-' and not rule.seconds then return nil end
    end
    rules_read[text] = rule
    return rule
  end

  -- What is kept of use beyond a limit; read once, written by `write_beyond`.
  local beyonds, beyonds_changed = {}, {}

  local function beyond_of(key)
    local known = beyonds[key]
    if known then return known, nil end
    local fields, kind = read('HMGET', key, 'passed_at', 'shadow_units')
    if kind then return nil, {'foreign', key, kind, 'use beyond a limit'} end
    local beyond = {key = key, shadow_calls = 0, shadow_added = 0}
    beyond.shadow_units = whole(fields[2] or '0')
    if fields[1] then beyond.passed_at = not_negative(fields[1]) end
    if not beyond.shadow_units or fields[1] and not beyond.passed_at then
      return nil, {'foreign', key, 'other text', 'use beyond a limit'}
    end
    beyonds[key] = beyond
    return beyond, nil
  end

  -- The limit with its grace; exact, though `units * percent` may not be.
  local function with_grace(units, percent)
    local more = math.floor(units / 100) * percent
      + math.floor(units % 100 * percent / 100)
    return math.min(units + more, LARGEST)
  end

  -- Nil and an answer, or: 0 (within the limit), over | shadow (beyond it and allowed),
  -- over_limit | larger_than_limit | blocked (refused). `endless`: there is no period in
  -- which the limit is passed once; time begins anew whenever it is.
  local function verdict(rule, key, used, amount, units, now, endless)
    local over = used + amount > units
    if rule.kind == 'shadow' then
      local beyond, problem = beyond_of(key)
      if problem then return nil, problem end
      -- A hard limit would not have counted what it refused.
      local shadow = math.max(0, beyond.shadow_units)
      local hard = used - math.min(shadow, math.max(0, used))
      return hard + amount > units and 'shadow' or '0', nil
    end
    if not over then return '0', nil end
    if units == 0 or rule.kind == 'hard' then return refusal(amount, units), nil end
    if rule.kind == 'soft' then return 'over', nil end
    local most = rule.percent and with_grace(units, rule.percent) or LARGEST
    if used + amount > most then
      return amount > most and 'larger_than_limit' or 'over_limit', nil
    end
    if not rule.seconds then return 'over', nil end
    local beyond, problem = beyond_of(key)
    if problem then return nil, problem end
    if endless and used <= units then beyond.passed_at = nil end
    local ends = (beyond.passed_at or now) + rule.seconds * 1000
    return now < ends and 'over' or refusal(amount, units), nil
  end

  -- Remember what a call took beyond the limit; `expires` is the counter's, empty if
  -- that has no expiry.
  local function note_beyond(rule, key, given, amount, expires, now)
    if rule.kind == 'soft' then return end
    local beyond = beyonds[key]
    if not beyond then return end
    if given == 'shadow' then
      beyond.shadow_calls = beyond.shadow_calls + 1
      beyond.shadow_added = beyond.shadow_added + amount
      beyond.shadow_units = beyond.shadow_units + amount
    elseif not beyond.passed_at then
      beyond.passed_at, beyond.passed = now, true
    end
    if not beyond.expires then
      need_right('HSET', key, 'passed_at', '0')
      need_right('HINCRBY', key, 'shadow_units', '0')
      if expires ~= '' then need_right('PEXPIREAT', key, expires, 'NX') end
      beyond.expires = expires
      beyonds_changed[#beyonds_changed + 1] = beyond
    end
  end

  local function write_beyond()
    for _, beyond in ipairs(beyonds_changed) do
      if beyond.passed then
        redis.call('HSET', beyond.key, 'passed_at', digits(beyond.passed_at))
      end
      if beyond.shadow_calls > 0 then
        redis.call('HINCRBY', beyond.key, 'shadow_calls', digits(beyond.shadow_calls))
        redis.call('HINCRBY', beyond.key, 'shadow_units', digits(beyond.shadow_added))
      end
      if beyond.expires ~= '' then
        redis.call('PEXPIREAT', beyond.key, beyond.expires, 'NX')
      end
    end
  end

  return {read = read_rule, verdict = verdict, note = note_beyond, write = write_beyond}
end
