-- hold_billing: keep a counter from being billed until somebody has looked, or no longer.
--
-- KEYS[1]  hash  billing record; made where there is none
-- then, if ARGV[1] is 1:  zset  index of events in flight
-- ARGV[1]  1: write the index; 0: do not (tagged keys)
-- ARGV[2]  why, in words; empty: it may be billed again
-- ARGV[3]  ms for which it is held
-- ARGV[4]  identifier of an event that was claimed and not sent, which is taken out of
--          flight: it bills nothing; empty: of none
-- ARGV[5]  ms at which a billing record that is made expires (0: never)
-- ARGV[6]  number of the newest event that is known: once it is billed again, the next
--          one gets a number above it, whatever the record says
-- ARGV[7]  ms for which a counter that is lower than what was billed is right; 0: it is not
-- Reply: ok, replayed 0, 1: the event was taken out of flight, or 0: it was not in flight
--   any more, or a request may have been made for it
-- or  foreign | broken | bad   as in consume

local indexed, why, hold_ms = ARGV[1] == '1', ARGV[2], not_negative(ARGV[3])
local identifier, expires = ARGV[4], not_negative(ARGV[5])
local number, lower_ms = not_negative(ARGV[6]), not_negative(ARGV[7])
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if #ARGV ~= 7 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 2 or 1) then return {'bad', 'number of KEYS'} end
if not hold_ms then return {'bad', 'ms to hold'} end
if not expires then return {'bad', 'expiry'} end
if not number then return {'bad', 'number'} end
if not lower_ms then return {'bad', 'ms to be lower'} end
local record, wrong = read_record(KEYS[1])
if wrong then return wrong end
need_right('HSET', KEYS[1], 'held', '')
need_right('HDEL', KEYS[1], 'held')
need_right('PEXPIREAT', KEYS[1], '1', 'NX')
if indexed then
  local kind = redis.call('TYPE', KEYS[2]).ok
  if kind ~= 'none' and kind ~= 'zset' then
    return {'foreign', KEYS[2], kind, 'an index'}
  end
  need_right('ZREM', KEYS[2], '')
end

local withdrawn = '0'
-- One that was taken over, or claimed again, may be on its way right now.
if identifier ~= '' and record.in_flight == identifier and record.attempts == 0
  and record.maybe_sent ~= '1' then
  clear_flight(KEYS[1])
  record.seq = record.seq - 1 -- nobody has seen its number
  redis.call('HSET', KEYS[1], 'seq', digits(record.seq))
  if indexed then redis.call('ZREM', KEYS[2], KEYS[1]) end
  withdrawn = '1'
end
number = math.max(number, record.held_seq and whole(record.held_seq) or 0)
if why == '' then
  if number > record.seq then redis.call('HSET', KEYS[1], 'seq', digits(number)) end
  if lower_ms > 0 then
    redis.call('HSET', KEYS[1], 'lower_until', digits(clock_ms() + lower_ms))
  end
  if record.held then redis.call('HDEL', KEYS[1], 'held', 'held_seq', 'retry_at') end
else
  redis.call('HSET', KEYS[1], 'held', why, 'held_seq', digits(number),
    'retry_at', digits(clock_ms() + hold_ms))
  if not record.there and expires > 0 then
    redis.call('PEXPIREAT', KEYS[1], digits(expires), 'NX')
  end
end
return {'ok', '0', withdrawn}
