-- The limit of one resource, for scripts that have one. Comes after checks.lua and
-- rules.lua. Nothing here writes.

-- `term`: name, limit, source and rule as consume takes them, and cycle, empty where
-- the billing cycle does not matter. Returns nil and a reply, or the limit: its text,
-- source, units (nil if it is no number) and rule (nil: hard), and the rules of this
-- script call if any is used.
local function one_limit(entry_key, override_key, term, now)
  local entry, kind = read('HMGET', entry_key, 'limit:' .. term.name,
    'rule:' .. term.name, 'anchor', 'interval', 'interval_count')
  if kind then return nil, {'foreign', entry_key, kind, 'a directory entry'} end
  if term.cycle ~= '' then
    local cycle = (entry[3] or '') .. ' ' .. (entry[4] or '') .. ' ' .. (entry[5] or '')
    if cycle ~= term.cycle then return nil, {'cycle', cycle} end
  end
  local found = {text = term.limit, source = term.source}
  local place, rule = override_key, term.rule
  if entry[1] then
    found.text, found.source, place = entry[1], 'plan', entry_key
    if rule ~= '' then rule = entry[2] or rule end
  end
  local override, wrong = read('HMGET', override_key, 'units', 'expires_at')
  if wrong then return nil, {'foreign', override_key, wrong, 'an override'} end
  local ends = tonumber(override[2] or '')
  if override[1] and not (ends and ends <= now) then
    found.text, found.source, place = override[1], 'override', override_key
  end
  if found.text ~= 'unlimited' and found.text ~= 'none' then
    found.units = not_negative(found.text)
    if not found.units then
      return nil, {'broken', place, 'string', string.sub(found.text, 1, 64)}
    end
  end
  if rule ~= '' then
    found.rules = make_rules()
    found.rule = found.rules.read(rule)
    if not found.rule then
      return nil, {'broken', entry_key, 'string', string.sub(rule, 1, 64)}
    end
  end
  return found, nil
end
