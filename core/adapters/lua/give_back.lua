-- give_back: give back the expired reservations of one counter that no call touches.
--
-- KEYS[1]  string  counter
-- KEYS[2]  zset    its reservations
-- then, if ARGV[2] is 1:  zset    counters by their first reservation's expiry
--                         string  last sequence number
--                         zset    index of changed tenants
-- ARGV[1]  tenant
-- ARGV[2]  1: keep the indexes; 0: do not (tagged layout)
-- Replies (every element a string):
--   ok, replayed 0, units given back, value now, ms at which the next reservation
--                   expires, or empty where there is none
--   broken | foreign | bad   as in consume

local indexed = ARGV[2] == '1'
if #ARGV ~= 2 then return {'bad', 'number of ARGV'} end
if not indexed and ARGV[2] ~= '0' then return {'bad', 'ARGV[2]'} end
if #KEYS ~= (indexed and 5 or 2) then return {'bad', 'number of KEYS'} end
local now_text = digits(clock_ms())
local used, broken = read_counter(KEYS[1])
if broken then return broken end
local units, problem, expired = expired_units(KEYS[2], now_text, used)
if problem then return problem end
need_right('INCRBY', KEYS[1], '-1')
need_right('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_text)
if indexed then
  need_right('ZREM', KEYS[3], KEYS[1])
  need_right('ZADD', KEYS[3], '1', KEYS[1])
  need_right('INCR', KEYS[4])
  need_right('ZADD', KEYS[5], '1', ARGV[1])
end

if expired then
  if indexed then note_change(KEYS[4], KEYS[5], ARGV[1]) end
  if units > 0 then redis.call('INCRBY', KEYS[1], digits(-units)) end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_text)
end
local first = redis.call('ZRANGE', KEYS[2], '0', '0', 'WITHSCORES')
-- What was allowed while Redis did not answer has no end: see replay.lua.
local next_ms = first[2] and first[2] ~= 'inf' and first[2] or ''
if indexed and next_ms ~= '' then redis.call('ZADD', KEYS[3], next_ms, KEYS[1]) end
if indexed and next_ms == '' then redis.call('ZREM', KEYS[3], KEYS[1]) end
return {'ok', '0', digits(units), digits(used - units), next_ms}
