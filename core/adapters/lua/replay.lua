-- replay: count usage that was allowed while Redis did not answer; no limit is asked.
--
-- n resources; i = 1..n. Every key belongs to one tenant.
-- KEYS[1]            hash    directory entry of the tenant (may not exist)
-- KEYS[1+i]          string  counter
-- KEYS[2+n]          string  what is kept of this call id: consume's own
-- KEYS[3+n]          string  how the call was settled (may not exist)
-- then, if ARGV[2] is 1:  string  last sequence number
--                         zset    index of changed tenants
-- then, if ARGV[8] is 1, for each resource: zset  reservations
-- ARGV[1]  n, 1..64
-- ARGV[2]  1: note the change in the index; 0: do not
-- ARGV[3]  tenant
-- ARGV[4]  milliseconds a counter is kept after its period's end
-- ARGV[5]  billing cycle the periods were computed from, as in consume
-- ARGV[6]  seconds to keep the answer for this call id, counted from now
-- ARGV[7]  server ms from which on a missing answer proves nothing any more, because
--          one that was kept would have expired
-- ARGV[8]  1: it was to be a reservation, and is kept as one that does not end by
--          itself, until it is confirmed or released; 0: plain use
-- then for each resource, 5 of them:
--   name, amount (1..2^53), start and end (ms, [start, end)) and label of the period
--   in which it was used; start and end 0: no period, as in consume
-- Replies (every element a string):
--   ok, replayed 0|1, then for each resource 2 of them: name, value now
--                     (as it was then, if replayed)
--   doubtful, server ms            counted or not, nobody knows; nothing written
--   late, name                     that counter's time is over; nothing written
--   period, server ms              a period has not begun; nothing written
--   cycle | broken | foreign | overflow | reused | bad   as in consume

local HEAD, EACH = 8, 5

local count = not_negative(ARGV[1])
local indexed = ARGV[2] == '1'
local tenant = ARGV[3]
local retention, keep_s = not_negative(ARGV[4]), not_negative(ARGV[6])
local proves_until = not_negative(ARGV[7])
local held = ARGV[8] == '1'
if not count or count < 1 or count > 64 then return {'bad', 'ARGV[1]'} end
if not indexed and ARGV[2] ~= '0' then return {'bad', 'ARGV[2]'} end
if not retention then return {'bad', 'ARGV[4]'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[6]'} end
if not proves_until then return {'bad', 'ARGV[7]'} end
if not held and ARGV[8] ~= '0' then return {'bad', 'ARGV[8]'} end
if #ARGV ~= HEAD + EACH * count then return {'bad', 'number of ARGV'} end
local call_key, settled_key = KEYS[2 + count], KEYS[3 + count]
local sequence, changed = KEYS[4 + count], KEYS[5 + count]
local reserved_at = 3 + count + (indexed and 2 or 0)
if #KEYS ~= reserved_at + (held and count or 0) then return {'bad', 'number of KEYS'} end

-- As consume's: a reservation and plain use of one id are two requests.
local wanted, seen, request = {}, {}, held and {'reserve'} or {}
for i = 1, count do
  local at = HEAD + EACH * (i - 1)
  local want = {
    name = ARGV[at + 1], amount = not_negative(ARGV[at + 2]),
    first = not_negative(ARGV[at + 3]), past = not_negative(ARGV[at + 4]),
    label = ARGV[at + 5], key = KEYS[1 + i], reserved = KEYS[reserved_at + i],
    member = string.match(call_key, '[^:]*$') .. ':' .. ARGV[at + 2],
  }
  if not want.amount or want.amount < 1 then return {'bad', 'amount of ' .. want.name} end
  local endless = want.first == 0 and want.past == 0
  if not want.first or not want.past or want.past <= want.first and not endless then
    return {'bad', 'period of ' .. want.name}
  end
  if not endless then want.expires = digits(want.past + retention) end
  if seen[want.key] then return {'bad', want.name .. ' is named twice'} end
  seen[want.key] = true
  request[#request + 1], request[#request + 2] = want.name, ARGV[at + 2]
  wanted[i] = want
end
request = joined(request)

local now = clock_ms()
local kept_until = digits(now + keep_s * 1000)
local answer = first_answer(call_key, request)
if answer and answer[1] ~= 'ok' then return answer end
-- A call that consume refused, and whose refusal was lost, has been made all the same.
local counted = answer and answer[3] == '1'
-- A reservation whose answer was lost would end by itself: it is made to last. One of
-- another period than we know of does end, and is counted anew.
local lasting = counted and held and redis.call('EXISTS', settled_key) == 0
if counted and not lasting then
  need_right('PEXPIREAT', call_key, kept_until, 'GT')
  need_right('PEXPIREAT', settled_key, kept_until, 'GT')
  -- The caller may ask again after a crash, later than consume's answer is kept; so
  -- may who has settled the call.
  redis.call('PEXPIREAT', call_key, kept_until, 'GT')
  redis.call('PEXPIREAT', settled_key, kept_until, 'GT')
  local reply = {'ok', '1'}
  for i = 1, count do
    reply[1 + 2 * i], reply[2 + 2 * i] = answer[8 * i - 3], answer[8 * i - 2]
  end
  return reply
end
if not answer and now >= proves_until then return {'doubtful', digits(now)} end

if ARGV[5] ~= '' then
  local entry, wrong = read('HMGET', KEYS[1], 'anchor', 'interval', 'interval_count')
  if wrong then return {'foreign', KEYS[1], wrong, 'a directory entry'} end
  local cycle = (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
  if cycle ~= ARGV[5] then return {'cycle', cycle} end
end
for _, want in ipairs(wanted) do
  if now < want.first then return {'period', digits(now)} end
  if want.expires and now >= tonumber(want.expires) then return {'late', want.name} end
  local used, problem = read_counter(want.key)
  if problem then return problem end
  if held then
    local ends, wrong = read('ZSCORE', want.reserved, want.member)
    if wrong then return {'foreign', want.reserved, wrong, 'reservations'} end
    -- Not given back yet: its units are in the counter.
    if lasting and ends then want.amount = 0 end
  end
  if used > LARGEST - want.amount then return {'overflow', want.name} end
  want.used = used + want.amount
end

for _, want in ipairs(wanted) do
  need_right('INCRBY', want.key, digits(want.amount))
  if want.expires then need_right('PEXPIREAT', want.key, want.expires, 'NX') end
  if held then need_right('ZADD', want.reserved, '+inf', want.member) end
  if held and want.expires then
    need_right('PEXPIREAT', want.reserved, want.expires, 'NX')
  end
end
if indexed then
  need_right('INCRBY', sequence, '1')
  need_right('ZADD', changed, '1', tenant)
end
need_right('SET', call_key, '', 'EX', digits(keep_s))

-- Nothing above writes. The index comes first: were one of its keys of another type,
-- nothing would have been counted. Nothing after it fails.
if indexed then
  redis.call('ZADD', changed, redis.call('INCRBY', sequence, '1'), tenant)
end
local reply = {'ok', '0'}
-- What consume would have kept, for whoever repeats the call: which limit there was
-- is not known.
local kept = {'ok', '0', '1', digits(now)}
for i, want in ipairs(wanted) do
  redis.call('INCRBY', want.key, digits(want.amount))
  -- NX: only the first write sets it, and traffic never moves it.
  if want.expires then redis.call('PEXPIREAT', want.key, want.expires, 'NX') end
  if held then redis.call('ZADD', want.reserved, '+inf', want.member) end
  if held and want.expires then
    redis.call('PEXPIREAT', want.reserved, want.expires, 'NX')
  end
  reply[1 + 2 * i], reply[2 + 2 * i] = want.name, digits(want.used)
  for _, value in ipairs({
    want.name, digits(want.used), 'none', 'none', '0',
    digits(want.first), digits(want.past), want.label,
  }) do
    kept[#kept + 1] = value
  end
end
keep(call_key, request, kept, digits(keep_s))
return reply
