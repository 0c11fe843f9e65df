-- adjust: change a counter for an operator and write down who did it.
--
-- KEYS[1]  string  counter
-- KEYS[2]  hash    billing record of the counter
-- KEYS[3]  stream  audit trail of the tenant
-- KEYS[4]  string  what is kept of this operation id
-- KEYS[5]  hash    directory entry of the tenant (may not exist)
-- KEYS[6]  hash    the tenant's undone entries: id -> id of the entry that undid it
-- KEYS[7]  zset    reservations of the counter (may not exist)
-- then, if ARGV[1] is 1:  zset  tenants by their last audit entry
--                         string  last sequence number
--                         zset  index of changed tenants
-- ARGV[1]  1: write the three indexes too; 0: do not
-- ARGV[2]  seconds to keep the answer for this operation id
-- ARGV[3]  add | subtract | set | reset
-- ARGV[4]  amount, 0..2^53 (0 for reset)
-- ARGV[5]  value the operator saw; empty: any
-- ARGV[6]  quota_only | quota_and_bill
-- ARGV[7], ARGV[8]  period start and end (ms, [start, end)); both 0: it has none
-- ARGV[9]  ms at which the counter expires, if it has no expiry yet
-- ARGV[10] ms at which the billing record expires, if it has no expiry yet
--          (both of a counter without a period: not looked at, there is no expiry)
-- ARGV[11] billing cycle the period was computed from, as in consume
-- ARGV[12..18]  tenant, resource, period label, actor, origin, reason, operation id
-- ARGV[19] id of the audit entry that this undoes; empty: none
-- Replies (every element a string):
--   ok, replayed 0|1, value before, value after, period label, audit entry's id
--   period | cycle | broken | foreign | overflow | reused | bad   as in consume
--   conflict, value now       not the value the operator saw; nothing written
--   negative, value before    the result would be below 0; nothing written
--   undone, audit entry's id  the entry was undone before, by that one

local indexed = ARGV[1] == '1'
local keep_s = not_negative(ARGV[2])
local kind, amount = ARGV[3], not_negative(ARGV[4])
local expected = ARGV[5] ~= '' and whole(ARGV[5]) or nil
local bill = ARGV[6]
local first, past = not_negative(ARGV[7]), not_negative(ARGV[8])
local expires, bill_expires = not_negative(ARGV[9]), not_negative(ARGV[10])
local tenant, resource, label = ARGV[12], ARGV[13], ARGV[14]
local undone, undoes = KEYS[6], ARGV[19]
if #ARGV ~= 19 then return {'bad', 'number of ARGV'} end
if #KEYS ~= (indexed and 10 or 7) then return {'bad', 'number of KEYS'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[2]'} end
if not amount then return {'bad', 'amount'} end
if ARGV[5] ~= '' and not expected then return {'bad', 'expected value'} end
if bill ~= 'quota_only' and bill ~= 'quota_and_bill' then return {'bad', 'ARGV[6]'} end
local endless = first == 0 and past == 0
if not first or not past or past <= first and not endless then
  return {'bad', 'period'}
end
if not expires or not bill_expires then return {'bad', 'expiry'} end
if ARGV[17] == '' then return {'bad', 'reason'} end

local request = asked_for(undoes, {'adjust', resource, kind, ARGV[4], ARGV[5], bill})
local repeated = first_answer(KEYS[4], request)
if repeated then return repeated end

local last, no_trail = trail_end(KEYS[3])
if no_trail then return no_trail end
local taken_back = undone_before(undone, KEYS[3], undoes)
if taken_back then return taken_back end

local now = clock_ms()
if not endless and (now < first or now >= past) then return {'period', digits(now)} end
if ARGV[11] ~= '' then
  local entry, wrong = read('HMGET', KEYS[5], 'anchor', 'interval', 'interval_count')
  if wrong then return {'foreign', KEYS[5], wrong, 'a directory entry'} end
  local cycle = (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
  if cycle ~= ARGV[11] then return {'cycle', cycle} end
end

local unfit = indexed and unfit_index(KEYS[9], {KEYS[8], 'zset', KEYS[10], 'zset'})
if unfit then return unfit end
local before, broken = read_counter(KEYS[1])
if broken then return broken end
-- What expired is given back before anything is decided, as consume does: the operator
-- was shown the counter without it.
local back, no_reservations, expired = expired_units(KEYS[7], digits(now), before)
if no_reservations then return no_reservations end
before = before - back
if expected and expected ~= before then return {'conflict', digits(before)} end
local after
if kind == 'add' then after = before + amount
elseif kind == 'subtract' then after = before - amount
elseif kind == 'set' then after = amount
elseif kind == 'reset' then after = 0
else return {'bad', 'ARGV[3]'} end
local difference = after - before
if after < 0 and difference < 0 then return {'negative', digits(before)} end
-- A sum is exact up to 2^53 and rounded beyond: compare before adding.
if kind == 'add' and before > LARGEST - amount then return {'overflow', resource} end
if before < 0 and difference >= LARGEST then return {'overflow', resource} end

if bill == 'quota_only' then
  local raw, wrong = read('HGET', KEYS[2], 'offset')
  if wrong then return {'foreign', KEYS[2], wrong, 'a billing record'} end
  local offset = whole(raw or '0')
  if not offset then return {'broken', KEYS[2], 'string', string.sub(raw, 1, 64)} end
  if math.abs(offset - difference) >= LARGEST then return {'overflow', resource} end
end

need_right('XADD', KEYS[3], '*', 'at', '0')
need_right('SET', KEYS[4], '', 'EX', digits(keep_s))
need_right('INCRBY', KEYS[1], digits(difference))
if not endless then need_right('PEXPIREAT', KEYS[1], digits(expires), 'NX') end
if bill == 'quota_only' then
  need_right('HINCRBY', KEYS[2], 'offset', digits(-difference))
  if not endless then need_right('PEXPIREAT', KEYS[2], digits(bill_expires), 'NX') end
end
if expired then need_right('ZREMRANGEBYSCORE', KEYS[7], '-inf', digits(now)) end
need_right_to_undo(undone, undoes)
if indexed then
  need_right('ZADD', KEYS[8], digits(now), tenant)
  need_right('INCR', KEYS[9])
  need_right('ZADD', KEYS[10], '1', tenant)
end

-- The trail comes first: were it refused, nothing would have changed.
local id, id_ms = append(KEYS[3], last, {
  at = digits(now), actor = ARGV[15], origin = ARGV[16], action = 'adjust:' .. kind,
  tenant = tenant, resource = resource, period = label,
  before = digits(before), after = digits(after),
  reason = ARGV[17], bill = bill, operation_id = ARGV[18], undoes = undoes,
})
local answer = {'ok', '0', digits(before), digits(after), label, id}
keep(KEYS[4], request, answer, digits(keep_s))
if back > 0 then redis.call('INCRBY', KEYS[1], digits(-back)) end
if expired then redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', digits(now)) end
if difference ~= 0 then
  -- Not SET: that would take away the counter's expiry.
  redis.call('INCRBY', KEYS[1], digits(difference))
  if not endless then redis.call('PEXPIREAT', KEYS[1], digits(expires), 'NX') end
  if bill == 'quota_only' then
    redis.call('HINCRBY', KEYS[2], 'offset', digits(-difference))
    if not endless then
      redis.call('PEXPIREAT', KEYS[2], digits(bill_expires), 'NX')
    end
  end
end
note_undone(undone, undoes, id)
if indexed then
  redis.call('ZADD', KEYS[8], id_ms, tenant)
  note_change(KEYS[9], KEYS[10], tenant)
end
return answer
