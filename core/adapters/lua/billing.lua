-- A counter's billing record, as the scripts of delivery read it.
-- Comes after checks.lua. Nothing here writes but `clear_flight`.

local FLIGHT = {
  'in_flight', 'units', 'scale', 'timestamp', 'claimed_at', 'leased_until', 'worker',
  'attempts', 'maybe_sent', 'customer', 'event_name', 'flight_level',
}
local COUNTS = {'offset', 'reported', 'parked', 'seq', 'sent_at', 'refused', 'retry_at'}
local OF_FLIGHT = {
  'units', 'scale', 'timestamp', 'claimed_at', 'leased_until', 'attempts',
}

-- A billing record as a table: its fields, of which those that are numbers are numbers,
-- 0 where they are missing; or nil and a reply. `there` says whether there is one.
local function read_record(key)
  local raw, kind = read('HGETALL', key)
  if kind then return nil, {'foreign', key, kind, 'a billing record'} end
  local record = {there = #raw > 0}
  for i = 1, #raw, 2 do record[raw[i]] = raw[i + 1] end
  local function number(name)
    local text = record[name]
    record[name] = text and whole(text) or 0
    if text and not whole(text) then
      return {'broken', key, 'string', string.sub(text, 1, 64)}
    end
  end
  for _, name in ipairs(COUNTS) do
    local broken = number(name)
    if broken then return nil, broken end
  end
  if record.in_flight then
    for _, name in ipairs(OF_FLIGHT) do
      local broken = number(name)
      if broken then return nil, broken end
    end
  end
  return record, nil
end

-- What a record remembers of an event, `late` or `replayed`, is under the event's number;
-- its value begins with this, as a failover may give a number twice.
local function mark_of(identifier)
  return string.sub(identifier, 5, 12)
end

-- Take an event out of flight: what it bills is accounted for elsewhere.
local function clear_flight(key)
  redis.call('HDEL', key, unpack(FLIGHT))
end
