-- consume: check every limit of one call, and count all of it or nothing.
--
-- n resources; i = 1..n. Every key belongs to one tenant.
-- KEYS[1]            hash    directory entry of the tenant (may not exist)
-- KEYS[1+i]          string  counter
-- KEYS[1+n+i]        hash    override (may not exist)
-- then, if ARGV[2] is not 0:  string  what is kept of this call id
-- then, if ARGV[3] is 1:      string  last sequence number
--                             zset    index of changed tenants
-- ARGV[1]  n, 1..64
-- ARGV[2]  seconds to keep the answer for this call id; 0: there is no call id
-- ARGV[3]  1: note the change in the index; 0: do not
-- ARGV[4]  tenant
-- ARGV[5]  milliseconds a counter is kept after its period's end
-- ARGV[6]  billing cycle the periods were computed from, `anchor interval count`
--          as in the directory entry; empty: all are calendar months
-- then for each resource, 7 of them:
--   name, amount (1..2^53), period start and end (ms, [start, end)), period label,
--   limit where the directory entry has none (digits, `unlimited` or `none`),
--   name of that limit's source
-- Replies (every element a string):
--   ok, replayed 0|1, allowed 0|1, server ms, then for each resource 8 of them:
--     name, value now, limit (digits | unlimited | none), source
--     (override | plan | ARGV's), refused 0|1, start, end, label
--   period, server ms              a period is not the current one; nothing written
--   cycle, `anchor interval count` the directory has another cycle; nothing written
--   broken, key, type, value       not a counter or limit; nothing written
--   foreign, key, type, wanted     the key is something else's; nothing written
--   overflow, name                 the counter would pass 2^53; nothing written
--   reused                         this call id was used for something else
--   bad, what                      an argument is wrong; nothing written

local HEAD, EACH = 6, 7

local count = not_negative(ARGV[1])
local keep_s = not_negative(ARGV[2])
local indexed = ARGV[3] == '1'
local tenant = ARGV[4]
local retention = not_negative(ARGV[5])
if not count or count < 1 or count > 64 then return {'bad', 'ARGV[1]'} end
if not keep_s then return {'bad', 'ARGV[2]'} end
if not indexed and ARGV[3] ~= '0' then return {'bad', 'ARGV[3]'} end
if not retention then return {'bad', 'ARGV[5]'} end
if #ARGV ~= HEAD + EACH * count then return {'bad', 'number of ARGV'} end
local last = 1 + 2 * count
local call_key = keep_s > 0 and KEYS[last + 1] or nil
if call_key then last = last + 1 end
local sequence, changed = KEYS[last + 1], KEYS[last + 2]
if #KEYS ~= last + (indexed and 2 or 0) then return {'bad', 'number of KEYS'} end

local wanted, seen, request = {}, {}, {}
for i = 1, count do
  local at = HEAD + EACH * (i - 1)
  local want = {
    name = ARGV[at + 1], amount = not_negative(ARGV[at + 2]),
    first = not_negative(ARGV[at + 3]), past = not_negative(ARGV[at + 4]),
    label = ARGV[at + 5], limit = ARGV[at + 6], source = ARGV[at + 7],
    key = KEYS[1 + i], override = KEYS[1 + count + i],
  }
  if not want.amount or want.amount < 1 then return {'bad', 'amount of ' .. want.name} end
  if not want.first or not want.past or want.past <= want.first then
    return {'bad', 'period of ' .. want.name}
  end
  if seen[want.key] then return {'bad', want.name .. ' is named twice'} end
  seen[want.key] = true
  request[2 * i - 1], request[2 * i] = want.name, ARGV[at + 2]
  wanted[i] = want
end
request = joined(request)

if call_key then
  local answer = first_answer(call_key, request)
  if answer then return answer end
end

local now = clock_ms()
local fields = {'anchor', 'interval', 'interval_count'}
for i, want in ipairs(wanted) do
  if now < want.first or now >= want.past then return {'period', digits(now)} end
  fields[3 + i] = 'limit:' .. want.name
end
local entry, entry_kind = read('HMGET', KEYS[1], unpack(fields))
if entry_kind then return {'foreign', KEYS[1], entry_kind, 'a directory entry'} end
if ARGV[6] ~= '' then
  local cycle = (entry[1] or '') .. ' ' .. (entry[2] or '') .. ' ' .. (entry[3] or '')
  if cycle ~= ARGV[6] then return {'cycle', cycle} end
end

-- Find the limit that counts: override, else plan, else the caller's default.
local function find_limit(want, planned)
  local override, kind = read('HMGET', want.override, 'units', 'expires_at')
  if kind then return {'foreign', want.override, kind, 'an override'} end
  local ends = tonumber(override[2] or '')
  local place = want.override
  if override[1] and not (ends and ends <= now) then
    want.limit, want.source = override[1], 'override'
  elseif planned then
    want.limit, want.source, place = planned, 'plan', KEYS[1]
  end
  if want.limit == 'unlimited' or want.limit == 'none' then return nil end
  want.units = not_negative(want.limit)
  if not want.units then return {'broken', place, 'string', string.sub(want.limit, 1, 64)} end
  return nil
end

local allowed = true
for i, want in ipairs(wanted) do
  local problem = find_limit(want, entry[3 + i])
  if problem then return problem end
  want.used, problem = read_counter(want.key)
  if problem then return problem end
  want.refused = want.units ~= nil and want.used + want.amount > want.units
  if not want.refused and want.used > LARGEST - want.amount then
    return {'overflow', want.name}
  end
  if want.refused then allowed = false end
end

if allowed then
  for _, want in ipairs(wanted) do
    need_right('INCRBY', want.key, digits(want.amount))
    need_right('PEXPIREAT', want.key, digits(want.past + retention), 'NX')
  end
  if indexed then
    need_right('INCR', sequence)
    need_right('ZADD', changed, '1', tenant)
  end
end
if call_key then need_right('SET', call_key, '', 'EX', digits(keep_s)) end

-- Nothing above writes, nothing below fails.
local answer = {'ok', '0', allowed and '1' or '0', digits(now)}
for _, want in ipairs(wanted) do
  if allowed then
    redis.call('INCRBY', want.key, digits(want.amount))
    -- NX: only the first write sets it, and traffic never moves it.
    redis.call('PEXPIREAT', want.key, digits(want.past + retention), 'NX')
    want.used = want.used + want.amount
  end
  for _, value in ipairs({
    want.name, digits(want.used), want.limit, want.source,
    want.refused and '1' or '0', digits(want.first), digits(want.past), want.label,
  }) do
    answer[#answer + 1] = value
  end
end
if allowed and indexed then note_change(sequence, changed, tenant) end
if call_key then keep(call_key, request, answer, digits(keep_s)) end
return answer
