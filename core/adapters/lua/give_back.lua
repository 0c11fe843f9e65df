-- give_back: give back the expired reservations of one counter that no call touches.
--
-- KEYS[1]  string  counter
-- KEYS[2]  zset    its reservations
-- KEYS[3]  zset    counters by their first reservation's expiry
-- KEYS[4]  string  last sequence number
-- KEYS[5]  zset    index of changed tenants
-- ARGV[1]  tenant
-- Replies (every element a string):
--   ok, replayed 0, units given back, value now
--   broken | foreign | bad   as in consume

if #KEYS ~= 5 then return {'bad', 'number of KEYS'} end
if #ARGV ~= 1 then return {'bad', 'number of ARGV'} end
local now_text = digits(clock_ms())
local used, broken = read_counter(KEYS[1])
if broken then return broken end
local units, problem, expired = expired_units(KEYS[2], now_text, used)
if problem then return problem end
need_right('INCRBY', KEYS[1], '-1')
need_right('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_text)
need_right('ZREM', KEYS[3], KEYS[1])
need_right('ZADD', KEYS[3], '1', KEYS[1])
need_right('INCR', KEYS[4])
need_right('ZADD', KEYS[5], '1', ARGV[1])

if expired then
  note_change(KEYS[4], KEYS[5], ARGV[1])
  if units > 0 then redis.call('INCRBY', KEYS[1], digits(-units)) end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_text)
end
local first = redis.call('ZRANGE', KEYS[2], '0', '0', 'WITHSCORES')
-- What was allowed while Redis did not answer has no end: see replay.lua.
if first[2] and first[2] ~= 'inf' then
  redis.call('ZADD', KEYS[3], first[2], KEYS[1])
else
  redis.call('ZREM', KEYS[3], KEYS[1])
end
return {'ok', '0', digits(units), digits(used - units)}
