-- set_gauge: record a reading of a level. Never refused: the answer says whether it is
-- beyond the limit. A reading that was taken before the newest one is not recorded.
--
-- KEYS[1]  hash    directory entry of the tenant (may not exist)
-- KEYS[2]  string  the level: a counter without a period and an expiry
-- KEYS[3]  hash    override (may not exist)
-- KEYS[4]  hash    use beyond the limit (may not exist)
-- KEYS[5]  zset    reservations (may not exist)
-- KEYS[6]  string  ms at which the newest reading was taken
-- then, if ARGV[9] is not 0:  string  what is kept of the call's id
-- then, if ARGV[1] is 1:      string  last sequence number
--                             zset    index of changed tenants
-- ARGV[1]  1: note the change in the index; 0: do not
-- ARGV[2], ARGV[3]  tenant, resource
-- ARGV[4]  the reading, 0..2^53
-- ARGV[5]  ms at which it was taken; empty: now. Never later than now: a client whose
--          clock is ahead must not keep the readings of others out
-- ARGV[6..8]  limit, its source and rule, as in consume's terms
-- ARGV[9]  seconds to keep the answer for this call id; 0: it has none
-- The level becomes the reading, and the units that are still reserved on top of it.
-- Replies (every element a string):
--   ok, replayed 0|1, stale 0|1 (1: an older reading; nothing but the answer for its id
--     was written), server ms, level before, level now, limit (digits | unlimited |
--     none), source, verdict: 0 (within the limit) or over, ms at which the newest
--     reading was taken
--   broken | foreign | overflow | reused | bad   as in consume

local indexed, tenant, name = ARGV[1] == '1', ARGV[2], ARGV[3]
local value, keep_s = not_negative(ARGV[4]), not_negative(ARGV[9])
local taken = ARGV[5] ~= '' and not_negative(ARGV[5]) or nil
if #ARGV ~= 9 then return {'bad', 'number of ARGV'} end
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if not value then return {'bad', 'reading'} end
if ARGV[5] ~= '' and not taken then return {'bad', 'ARGV[5]'} end
if not keep_s then return {'bad', 'ARGV[9]'} end
local entry_key, level_key, override_key, beyond_key, reserved_key, taken_key =
  unpack(KEYS, 1, 6)
local call_key = keep_s > 0 and KEYS[7] or nil
local index_at = call_key and 7 or 6
local sequence, changed = KEYS[index_at + 1], KEYS[index_at + 2]
if #KEYS ~= index_at + (indexed and 2 or 0) then return {'bad', 'number of KEYS'} end

-- No resource's name has a colon: the request is none of consume's. Without the moment,
-- which a repeat may know better.
local request = joined({':set_gauge', name, ARGV[4]})
local repeated = call_key and first_answer(call_key, request)
if repeated then return repeated end

local now = clock_ms()
local now_text = digits(now)
local used, broken = read_counter(level_key)
if broken then return broken end
local back, wrong, expired = expired_units(reserved_key, now_text, used)
if wrong then return wrong end
local reserved = 0
local lasting = redis.call('ZRANGEBYSCORE', reserved_key, '(' .. now_text, '+inf')
for _, member in ipairs(lasting) do
  local units = not_negative(string.match(member, ':(%d+)$') or '')
  if not units then return {'foreign', reserved_key, 'other text', 'reservations'} end
  reserved = reserved + units
end
local newest, kind = read('GET', taken_key)
if kind then return {'foreign', taken_key, kind, 'the time of a reading'} end
if newest and not not_negative(newest) then
  return {'foreign', taken_key, 'other text', 'the time of a reading'}
end
-- Later than now only if the server's clock was set back since.
newest = newest and math.min(not_negative(newest), now)
taken = math.min(taken or now, now)
local limit, problem = one_limit(entry_key, override_key, {
  name = name, limit = ARGV[6], source = ARGV[7], rule = ARGV[8], cycle = '',
}, now)
if problem then return problem end

local before = used - back
local stale = newest and taken < newest
-- A sum is exact up to 2^53 and rounded beyond: compare before adding.
if value > LARGEST - reserved then return {'overflow', name} end
local after = stale and before or value + reserved
if after - used >= LARGEST and used < 0 then return {'overflow', name} end
local over = limit.units and after > limit.units
local answer = {'ok', '0', stale and '1' or '0', now_text, digits(before), digits(after),
  limit.text, limit.source, over and 'over' or '0', digits(stale and newest or taken)}
if call_key then need_right('SET', call_key, '', 'EX', digits(keep_s)) end
if stale then
  if call_key then keep(call_key, request, answer, digits(keep_s)) end
  return answer
end

-- Grace begins when the level passes the limit and ends when it is back within; what
-- calls took in the shadow of a limit is in the reading, or is not.
local begins, ends, unshadowed = false, false, false
local rule = limit.rule
if rule and limit.units and (rule.seconds or rule.kind == 'shadow') then
  local fields
  fields, kind = read('HMGET', beyond_key, 'passed_at', 'shadow_units')
  if kind then return {'foreign', beyond_key, kind, 'use beyond a limit'} end
  begins = rule.seconds and over and (before <= limit.units or not fields[1])
  ends = rule.seconds and not over and fields[1]
  unshadowed = rule.kind == 'shadow' and (fields[2] or '0') ~= '0'
end

need_right('INCRBY', level_key, '1')
need_right('SET', taken_key, '')
if expired then need_right('ZREMRANGEBYSCORE', reserved_key, '-inf', now_text) end
if begins or unshadowed then need_right('HSET', beyond_key, 'passed_at', '0') end
if ends then need_right('HDEL', beyond_key, 'passed_at') end
if indexed then
  need_right('INCR', sequence)
  need_right('ZADD', changed, '1', tenant)
end

-- Nothing above writes. The index comes first: were one of its keys of another type,
-- nothing would have been changed. Nothing after it fails.
if indexed and after ~= used then note_change(sequence, changed, tenant) end
-- Not SET: a program may have given it an expiry.
redis.call('INCRBY', level_key, digits(after - used))
redis.call('SET', taken_key, digits(taken))
if expired then redis.call('ZREMRANGEBYSCORE', reserved_key, '-inf', now_text) end
if begins then redis.call('HSET', beyond_key, 'passed_at', now_text) end
if ends then redis.call('HDEL', beyond_key, 'passed_at') end
if unshadowed then redis.call('HSET', beyond_key, 'shadow_units', '0') end
if call_key then keep(call_key, request, answer, digits(keep_s)) end
return answer
