-- Reservations: units already counted that are given back when their time is over.
-- A sorted set beside the counter holds `<call id>:<units>` by expiry (ms).
-- Comes after checks.lua. Nothing here writes.

-- Units that expired reservations give back to a counter of `used`, or nil and a
-- reply. None takes it below 0: an operator may have reset it.
local function expired_units(key, now_text, used)
  local members, kind = read('ZRANGEBYSCORE', key, '-inf', now_text)
  if kind then return nil, {'foreign', key, kind, 'reservations'} end
  local units = 0
  for _, member in ipairs(members) do
    local amount = not_negative(string.match(member, ':(%d+)$') or '')
    if not amount then return nil, {'foreign', key, 'other text', 'reservations'} end
    units = units + amount
  end
  return math.min(units, math.max(0, used)), nil, #members > 0
end
