-- set_override: give a tenant's resource another limit, until a moment or for good.
--
-- KEYS[1]  hash    override; expires by itself
-- KEYS[2]  hash    the tenant's overrides: resource -> operation id
-- KEYS[3]  stream  audit trail of the tenant
-- KEYS[4]  string  what is kept of this operation id
-- then, if ARGV[1] is 1:  set   tenants that have or had an override
--                         zset  tenants by their last audit entry
--                         string  last sequence number
--                         zset  index of changed tenants
-- ARGV[1]  1: write the four indexes too; 0: do not
-- ARGV[2]  seconds to keep the answer for this operation id
-- ARGV[3]  units, 0..2^53, or `unlimited`
-- ARGV[4]  ms at which it expires; empty: never
-- ARGV[5]  the same moment for people, e.g. 2026-11-27T18:00:00Z; empty: never
-- ARGV[6..11]  tenant, resource, actor, origin, reason, operation id
-- Replies (every element a string):
--   ok, replayed 0|1, audit entry's id, server ms
--   past, server ms           it would have expired already; nothing written
--   foreign | reused | bad    as in consume

local indexed = ARGV[1] == '1'
local keep_s = not_negative(ARGV[2])
local units, tenant, resource = ARGV[3], ARGV[6], ARGV[7]
local expires = ARGV[4] ~= '' and not_negative(ARGV[4]) or nil
if #ARGV ~= 11 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 8 or 4) then return {'bad', 'number of KEYS'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[2]'} end
if units ~= 'unlimited' and not not_negative(units) then return {'bad', 'units'} end
if ARGV[4] ~= '' and not expires then return {'bad', 'expiry'} end
if ARGV[10] == '' then return {'bad', 'reason'} end

local request = joined({'set_override', resource, units, ARGV[4]})
local repeated = first_answer(KEYS[4], request)
if repeated then return repeated end

local now = clock_ms()
if expires and expires <= now then return {'past', digits(now)} end
local held, wrong = read('HMGET', KEYS[1], 'units', 'until')
if wrong then return {'foreign', KEYS[1], wrong, 'an override'} end
local _, listed = read('HGET', KEYS[2], resource)
if listed then return {'foreign', KEYS[2], listed, 'a list of overrides'} end
local previous, no_trail = newest_hash(KEYS[3])
if no_trail then return no_trail end

need_right('XADD', KEYS[3], '*', 'at', '0')
need_right('SET', KEYS[4], '', 'EX', digits(keep_s))
need_right('HSET', KEYS[1], 'units', units)
need_right('PEXPIREAT', KEYS[1], '1')
need_right('PERSIST', KEYS[1])
need_right('HSET', KEYS[2], resource, '')
if indexed then
  need_right('SADD', KEYS[5], tenant)
  need_right('ZADD', KEYS[6], digits(now), tenant)
  need_right('INCR', KEYS[7])
  need_right('ZADD', KEYS[8], '1', tenant)
end

local function in_words(limit, moment)
  if not limit then return 'none' end
  if not moment or moment == '' then return limit end
  return limit .. ' until ' .. moment
end

local id = append(KEYS[3], previous, {
  at = digits(now), actor = ARGV[8], origin = ARGV[9], action = 'override:set',
  tenant = tenant, resource = resource, period = '',
  before = in_words(held[1], held[2]), after = in_words(units, ARGV[5]),
  reason = ARGV[10], bill = '', operation_id = ARGV[11],
})
local answer = {'ok', '0', id, digits(now)}
keep(KEYS[4], request, answer, digits(keep_s))
redis.call('HSET', KEYS[1], 'id', ARGV[11], 'units', units, 'actor', ARGV[8],
  'origin', ARGV[9], 'reason', ARGV[10], 'created_at', digits(now),
  'expires_at', ARGV[4], 'until', ARGV[5])
if expires then
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
else
  redis.call('PERSIST', KEYS[1])
end
redis.call('HSET', KEYS[2], resource, ARGV[11])
if indexed then
  redis.call('SADD', KEYS[5], tenant)
  redis.call('ZADD', KEYS[6], digits(now), tenant)
  note_change(KEYS[7], KEYS[8], tenant)
end
return answer
