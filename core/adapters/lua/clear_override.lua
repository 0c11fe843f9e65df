-- clear_override: take an override away before it expires.
--
-- KEYS[1]  hash    override
-- KEYS[2]  hash    the tenant's overrides: resource -> operation id
-- KEYS[3]  stream  audit trail of the tenant
-- KEYS[4]  string  what is kept of this operation id
-- KEYS[5]  hash    the tenant's undone entries: id -> id of the entry that undid it
-- then, if ARGV[1] is 1:  zset  tenants by their last audit entry
--                         string  last sequence number
--                         zset  index of changed tenants
-- ARGV[1]  1: write the three indexes too; 0: do not
-- ARGV[2]  seconds to keep the answer for this operation id
-- ARGV[3..8]  tenant, resource, actor, origin, reason, operation id
-- ARGV[9]  id of the audit entry that this undoes; empty: none
-- ARGV[10] the override as the trail writes it, as the caller saw it; empty: any
-- Replies (every element a string):
--   ok, replayed 0|1, audit entry's id, and of the override that was removed:
--     units, actor, reason, created_at ms, expires_at ms (empty: never)
--   none                      there is no override; nothing written
--   conflict, override now    not the one the caller saw; nothing written
--   undone, audit entry's id  the entry was undone before, by that one
--   foreign | reused | bad    as in consume

local indexed = ARGV[1] == '1'
local keep_s = not_negative(ARGV[2])
local tenant, resource = ARGV[3], ARGV[4]
local undone, undoes, expected = KEYS[5], ARGV[9], ARGV[10]
if #ARGV ~= 10 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 8 or 5) then return {'bad', 'number of KEYS'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[2]'} end
if ARGV[7] == '' then return {'bad', 'reason'} end

local request = asked_for(undoes, {'clear_override', resource})
local repeated = first_answer(KEYS[4], request)
if repeated then return repeated end

local last, no_trail = trail_end(KEYS[3])
if no_trail then return no_trail end
local taken_back = undone_before(undone, KEYS[3], undoes)
if taken_back then return taken_back end

local held, wrong = read('HMGET', KEYS[1], 'units', 'actor', 'reason', 'created_at',
  'expires_at', 'until')
if wrong then return {'foreign', KEYS[1], wrong, 'an override'} end
if not held[1] then return {'none'} end
local before = in_words(held[1], held[6])
if expected ~= '' and expected ~= before then return {'conflict', before} end
local _, listed = read('HGET', KEYS[2], resource)
if listed then return {'foreign', KEYS[2], listed, 'a list of overrides'} end
local unfit = indexed and unfit_index(KEYS[7], {KEYS[6], 'zset', KEYS[8], 'zset'})
if unfit then return unfit end

local now = clock_ms()
need_right('XADD', KEYS[3], '*', 'at', '0')
need_right('SET', KEYS[4], '', 'EX', digits(keep_s))
need_right('UNLINK', KEYS[1])
need_right('HDEL', KEYS[2], resource)
need_right_to_undo(undone, undoes)
if indexed then
  need_right('ZADD', KEYS[6], digits(now), tenant)
  need_right('INCR', KEYS[7])
  need_right('ZADD', KEYS[8], '1', tenant)
end

local id, id_ms = append(KEYS[3], last, {
  at = digits(now), actor = ARGV[5], origin = ARGV[6], action = 'override:clear',
  tenant = tenant, resource = resource, period = '', before = before, after = 'none',
  reason = ARGV[7], bill = '', operation_id = ARGV[8], undoes = undoes,
})
local answer = {'ok', '0', id}
for i = 1, 5 do answer[3 + i] = held[i] or '' end
keep(KEYS[4], request, answer, digits(keep_s))
redis.call('UNLINK', KEYS[1])
redis.call('HDEL', KEYS[2], resource)
note_undone(undone, undoes, id)
if indexed then
  redis.call('ZADD', KEYS[6], id_ms, tenant)
  note_change(KEYS[7], KEYS[8], tenant)
end
return answer
