-- refuse_late: account for an event that Stripe accepted, and did not count after all.
--
-- KEYS[1]  hash  billing record
-- KEYS[2]  hash  the tenant's letters
-- then, if ARGV[1] is 1:  zset  tenants by their last letter
--                         zset  index of events in flight
-- ARGV[1]  1: write the indexes; 0: do not (tagged keys)
-- ARGV[2..4]  tenant, resource, period label
-- ARGV[5..8]  identifier, event name, customer, timestamp (s)
-- ARGV[9], ARGV[10]  units (whole, may be negative), scale
-- ARGV[11] label of the billing period whose level it is; empty: of no gauge
-- ARGV[12] ms of its first request, or earlier
-- ARGV[13..16] attempts, Stripe's text, its code, its request id
-- Replies (every element a string):
--   ok, replayed 0|1, units    1: it was known; nothing was written
--   state, cancelled   it was cancelled, and bills nothing either way
--   gone               there is no billing record (any more), or none of this event
--   broken | foreign | overflow | bad   as in consume
--
-- Once an event: the record remembers in `late:<number>`, whatever becomes of the letter.

local FIRST_PAUSE, LONGEST_PAUSE = 60000, 3600000

local indexed, identifier = ARGV[1] == '1', ARGV[5]
local number = not_negative(string.match(identifier or '', '%-(%d+)$') or '')
local units, scale = whole(ARGV[9]), not_negative(ARGV[10])
local level, first_sent, attempts = ARGV[11], not_negative(ARGV[12]), not_negative(ARGV[13])
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if #ARGV ~= 16 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 4 or 2) then return {'bad', 'number of KEYS'} end
if not number then return {'bad', 'identifier'} end
if not not_negative(ARGV[8]) then return {'bad', 'timestamp'} end
if not units or not scale then return {'bad', 'units'} end
if not first_sent or not attempts then return {'bad', 'ARGV[12]'} end
local now = clock_ms()

local record, wrong = read_record(KEYS[1])
if wrong then return wrong end
local letter, no_letters = read_letter(KEYS[2], identifier)
if no_letters then return no_letters end
local mark, sign = 'late:' .. digits(number), mark_of(identifier)
if record[mark] == sign then return {'ok', '1', digits(units)} end
local state = letter and letter.state
if state == 'dead' or state == 'refused' then return {'ok', '1', digits(units)} end
if state == 'cancelled' then return {'state', state} end
if not record.there or record.seq < number then return {'gone'} end
local flying = record.in_flight == identifier
if level == '' and state ~= 'ambiguous' then
  -- In flight it was not reported yet, and settling it will find it gone.
  if not flying then record.reported = record.reported - units end
  record.parked = record.parked + units
end
if math.abs(record.reported) >= LARGEST or math.abs(record.parked) >= LARGEST then
  return {'overflow', ARGV[3]}
end

need_right('HSET', KEYS[1], 'reported', '0')
need_right('HDEL', KEYS[1], 'in_flight')
need_right('HSET', KEYS[2], identifier, '')
if indexed then
  for i, at in ipairs({3, 4}) do
    local kind = redis.call('TYPE', KEYS[at]).ok
    if kind ~= 'none' and kind ~= 'zset' then
      return {'foreign', KEYS[at], kind, 'an index'}
    end
  end
  need_right('ZADD', KEYS[3], '1', '')
  need_right('ZREM', KEYS[4], '')
end

local pause = math.min(FIRST_PAUSE * 2 ^ math.min(record.refused, 10), LONGEST_PAUSE)
redis.call('HSET', KEYS[1], 'reported', digits(record.reported),
  'parked', digits(record.parked), mark, sign,
  'refused', digits(record.refused + 1),
  'retry_at', digits(math.max(record.retry_at, now + pause)))
-- A level that is not there is sent again, where no later one was.
if level ~= '' and number == record.seq and not flying then
  redis.call('HSET', KEYS[1], 'reported', '0', 'level', '')
end
if flying then
  clear_flight(KEYS[1])
  if indexed then redis.call('ZREM', KEYS[4], KEYS[1]) end
end
write_letter(KEYS[2], {
  resource = ARGV[3], period = ARGV[4], identifier = identifier, event_name = ARGV[6],
  customer = ARGV[7], timestamp = ARGV[8], units = digits(units), scale = digits(scale),
  level = level ~= '' and level or nil, state = 'refused', source = 'counter',
  first_sent_at = digits(first_sent), at = digits(now), attempts = digits(attempts),
  reason = ARGV[14], code = ARGV[15], request_id = ARGV[16],
})
if indexed then redis.call('ZADD', KEYS[3], digits(now), ARGV[2]) end
return {'ok', '0', digits(units)}
