-- settle: give back what a call took, or make a reservation final. Once a call.
--
-- KEYS[1]  string  what is kept of the call's id: consume's own
-- KEYS[2]  string  how the call was settled; kept for as long as KEYS[1]
-- then, if ARGV[2] is 1:  string  last sequence number
--                         zset    index of changed tenants
-- then for each of the call's n resources, in the call's order, 3:
--   string counter, zset reservations, hash use beyond the limit
-- ARGV[1]  release | confirm
-- ARGV[2]  1: note the change in the index; 0: do not
-- ARGV[3]  tenant
-- ARGV[4]  id of the call
-- ARGV[5]  milliseconds a counter is kept after its period's end; one whose period
--          starts and ends at 0 has none, and gets no expiry
-- ARGV[6]  n; 0: only say what the call took, as the caller does not know its keys
-- then for each resource, 2: period label, and units: of a release, to give back, at
--   most what the call took; of a confirmation, to keep counted, at most what is
--   reserved; empty: all of it
-- Replies (every element a string):
--   call, then for each resource 3: name, period label, units it took
--   ok, replayed 0|1, then for each resource 6: name, units given back, value now,
--                    period start, end (ms), label
--   unknown          nothing is kept of this id
--   nothing          the call was refused, and took nothing
--   plain            to be confirmed, but the call is no reservation
--   expired          the reservation's time is over: it gives, or gave, itself back
--   settled, how     the call was settled before, otherwise
--   other, which     it was no consume: set_gauge or count_unique
--   broken | foreign | bad   as in consume

local what, indexed, tenant = ARGV[1], ARGV[2] == '1', ARGV[3]
local id, retention, count = ARGV[4], not_negative(ARGV[5]), not_negative(ARGV[6])
if what ~= 'release' and what ~= 'confirm' then return {'bad', 'ARGV[1]'} end
if not retention then return {'bad', 'ARGV[5]'} end
if not count or count > 64 then return {'bad', 'ARGV[6]'} end
if #ARGV ~= 6 + 2 * count then return {'bad', 'number of ARGV'} end
local first_key = indexed and 4 or 2
if #KEYS ~= first_key + 3 * count then return {'bad', 'number of KEYS'} end

-- Read what `joined` wrote.
local function parted(text)
  local parts, at = {}, 1
  while at <= #text do
    local size = tonumber(string.match(text, '^(%d+):', at))
    local from = string.find(text, ':', at, true) + 1
    parts[#parts + 1] = string.sub(text, from, from + size - 1)
    at = from + size + 1
  end
  return parts
end

local packed, kind = read('GET', KEYS[1])
if kind then return {'foreign', KEYS[1], kind, 'what is kept of an id'} end
if not packed then return {'unknown'} end
local sound, kept = pcall(cmsgpack.unpack, packed)
if not sound or type(kept) ~= 'table' or #kept ~= 2 then
  return {'foreign', KEYS[1], 'other text', 'what is kept of an id'}
end
local parts, answer = parted(kept[1]), kept[2]
if string.sub(parts[1], 1, 1) == ':' then return {'other', string.sub(parts[1], 2)} end
local reservation = #parts % 2 == 1
if reservation then table.remove(parts, 1) end
if answer[3] ~= '1' then return {'nothing'} end
if what == 'confirm' and not reservation then return {'plain'} end

if count == 0 then
  local reply = {'call'}
  for i = 1, #parts / 2 do
    for _, value in ipairs({parts[2 * i - 1], answer[8 * i + 4], parts[2 * i]}) do
      reply[#reply + 1] = value
    end
  end
  return reply
end
if count ~= #parts / 2 then return {'bad', 'ARGV[6]'} end

local now = clock_ms()
local now_text = digits(now)
local wanted, request = {}, {what}
for i = 1, count do
  local key_at, at = first_key + 3 * (i - 1), 6 + 2 * (i - 1)
  local want = {
    name = parts[2 * i - 1], taken = tonumber(parts[2 * i]),
    counter = KEYS[key_at + 1], reserved = KEYS[key_at + 2], beyond = KEYS[key_at + 3],
    given = answer[8 * i + 1], first = answer[8 * i + 2], past = answer[8 * i + 3],
    label = answer[8 * i + 4],
  }
  if want.label ~= ARGV[at + 1] then return {'bad', 'period of ' .. want.name} end
  local units = ARGV[at + 2] == '' and want.taken or not_negative(ARGV[at + 2])
  if not units then return {'bad', 'units of ' .. want.name} end
  units = math.min(units, want.taken)
  want.back = what == 'release' and units or want.taken - units
  request[#request + 1], request[#request + 2] = want.name, digits(want.back)
  wanted[i] = want
end
request = joined(request)
local settled = first_answer(KEYS[2], request)
if settled and settled[1] == 'reused' then
  return {'settled', parted(cmsgpack.unpack(redis.call('GET', KEYS[2]))[1])[1]}
end
if settled then return settled end

for _, want in ipairs(wanted) do
  local used, broken = read_counter(want.counter)
  if broken then return broken end
  if reservation then
    want.member = id .. ':' .. digits(want.taken)
    local expires, wrong = read('ZSCORE', want.reserved, want.member)
    if wrong then return {'foreign', want.reserved, wrong, 'reservations'} end
    if not expires or tonumber(expires) <= now then return {'expired'} end
  end
  if want.given == 'shadow' then
    local _, wrong = read('HGET', want.beyond, 'shadow_units')
    if wrong then return {'foreign', want.beyond, wrong, 'use beyond a limit'} end
  end
  -- An operator may have reset it: no release takes a counter below 0.
  want.back = math.min(want.back, math.max(0, used))
  want.after = used - want.back
  if want.past ~= '0' then want.expires = digits(want.past + retention) end
end

local left_ms = redis.call('PTTL', KEYS[1])
if left_ms < 1 then left_ms = 1 end
need_right('SET', KEYS[2], '', 'PX', digits(left_ms))
for _, want in ipairs(wanted) do
  need_right('INCRBY', want.counter, '-1')
  if want.expires then need_right('PEXPIREAT', want.counter, want.expires, 'NX') end
  need_right('ZREM', want.reserved, '')
  need_right('HINCRBY', want.beyond, 'shadow_units', '-1')
end
if indexed then
  need_right('INCR', KEYS[3])
  need_right('ZADD', KEYS[4], '1', tenant)
end

-- Nothing above writes. The index comes first: were one of its keys of another type,
-- nothing would have been changed. Nothing after it fails.
if indexed then note_change(KEYS[3], KEYS[4], tenant) end
local reply = {'ok', '0'}
for _, want in ipairs(wanted) do
  if want.back > 0 then
    redis.call('INCRBY', want.counter, digits(-want.back))
    if want.expires then
      redis.call('PEXPIREAT', want.counter, want.expires, 'NX')
    end
    if want.given == 'shadow' then
      redis.call('HINCRBY', want.beyond, 'shadow_units', digits(-want.back))
    end
  end
  if want.member then redis.call('ZREM', want.reserved, want.member) end
  for _, value in ipairs({want.name, digits(want.back), digits(want.after),
    want.first, want.past, want.label}) do
    reply[#reply + 1] = value
  end
end
redis.call('SET', KEYS[2], cmsgpack.pack({request, reply}), 'PX', digits(left_ms))
return reply
