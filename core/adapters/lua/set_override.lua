-- set_override: give a tenant's resource another limit, until a moment or for good.
--
-- KEYS[1]  hash    override; expires by itself
-- KEYS[2]  hash    the tenant's overrides: resource -> operation id
-- KEYS[3]  stream  audit trail of the tenant
-- KEYS[4]  string  what is kept of this operation id
-- KEYS[5]  hash    the tenant's undone entries: id -> id of the entry that undid it
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
-- ARGV[12] id of the audit entry that this undoes; empty: none
-- ARGV[13] the override as the trail writes it, as the caller saw it; empty: any
-- Replies (every element a string):
--   ok, replayed 0|1, audit entry's id, server ms
--   past, server ms           it would have expired already; nothing written
--   conflict, override now    not the one the caller saw; nothing written
--   undone, audit entry's id  the entry was undone before, by that one
--   foreign | reused | bad    as in consume

local indexed = ARGV[1] == '1'
local keep_s = not_negative(ARGV[2])
local units, tenant, resource = ARGV[3], ARGV[6], ARGV[7]
local undone, undoes, expected = KEYS[5], ARGV[12], ARGV[13]
local expires = ARGV[4] ~= '' and not_negative(ARGV[4]) or nil
if #ARGV ~= 13 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 9 or 5) then return {'bad', 'number of KEYS'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[2]'} end
if units ~= 'unlimited' and not not_negative(units) then return {'bad', 'units'} end
if ARGV[4] ~= '' and not expires then return {'bad', 'expiry'} end
if ARGV[10] == '' then return {'bad', 'reason'} end

local request = asked_for(undoes, {'set_override', resource, units, ARGV[4]})
local repeated = first_answer(KEYS[4], request)
if repeated then return repeated end

local last, no_trail = trail_end(KEYS[3])
if no_trail then return no_trail end
local taken_back = undone_before(undone, KEYS[3], undoes)
if taken_back then return taken_back end

local now = clock_ms()
if expires and expires <= now then return {'past', digits(now)} end
local held, wrong = read('HMGET', KEYS[1], 'units', 'until')
if wrong then return {'foreign', KEYS[1], wrong, 'an override'} end
local before = in_words(held[1], held[2])
if expected ~= '' and expected ~= before then return {'conflict', before} end
local _, listed = read('HGET', KEYS[2], resource)
if listed then return {'foreign', KEYS[2], listed, 'a list of overrides'} end
local unfit = indexed
  and unfit_index(KEYS[8], {KEYS[6], 'set', KEYS[7], 'zset', KEYS[9], 'zset'})
if unfit then return unfit end

need_right('XADD', KEYS[3], '*', 'at', '0')
need_right('SET', KEYS[4], '', 'EX', digits(keep_s))
need_right('HSET', KEYS[1], 'units', units)
need_right('PEXPIREAT', KEYS[1], '1')
need_right('PERSIST', KEYS[1])
need_right('HSET', KEYS[2], resource, '')
need_right_to_undo(undone, undoes)
if indexed then
  need_right('SADD', KEYS[6], tenant)
  need_right('ZADD', KEYS[7], digits(now), tenant)
  need_right('INCR', KEYS[8])
  need_right('ZADD', KEYS[9], '1', tenant)
end

local id, id_ms = append(KEYS[3], last, {
  at = digits(now), actor = ARGV[8], origin = ARGV[9], action = 'override:set',
  tenant = tenant, resource = resource, period = '',
  before = before, after = in_words(units, ARGV[5]),
  reason = ARGV[10], bill = '', operation_id = ARGV[11], undoes = undoes,
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
note_undone(undone, undoes, id)
if indexed then
  redis.call('SADD', KEYS[6], tenant)
  redis.call('ZADD', KEYS[7], id_ms, tenant)
  note_change(KEYS[8], KEYS[9], tenant)
end
return answer
