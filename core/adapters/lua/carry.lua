-- carry: let a limit go on from what was used before a billing cycle changed.
--
-- n steps; i = 1..n. Every key belongs to one tenant. Each step raises the counter of a
-- new period by what an old one's holds, with an audit entry, and so that the bill does
-- not follow. A step that cannot be made keeps no other from being made.
-- KEYS[1]  hash    directory entry of the tenant
-- KEYS[2]  stream  audit trail of the tenant
-- then for each step 7:  string  old counter, new counter
--                        hash    old billing record, new one
--                        zset    reservations of the old counter
--                        string  old period's members, new period's (HyperLogLogs)
-- then, if ARGV[1] is 1:  zset  tenants by their last audit entry
--                         string  last sequence number
--                         zset  index of changed tenants
-- ARGV[1]  1: write the three indexes too; 0: do not
-- ARGV[2]  tenant
-- ARGV[3]  the entry's cycle_before that the steps come from
-- ARGV[4]  the entry's billing cycle, as in consume
-- ARGV[5], ARGV[6]  actor, origin
-- then for each step 10:  resource, its scale, 1: it counts members or 0,
--   label of the old period and of the new one, ms at which the new counter and its
--   billing record expire, if they have no expiry yet,
--   reason before and after the number of units, operation id
-- Replies (every element a string):
--   ok, then for each step 2: what became of it, and what about
--     carried, units | nothing, empty | late, empty: the new counter's time is over
--     broken, key | foreign, key | overflow, resource
--   moved    the entry has another cycle_before, or another cycle; nothing written
--   foreign | bad   as in consume
--
-- A repeated step changes nothing, whatever happened in between: a billing record says
-- in carried:<label> how much of its counter came from where, so that a cycle that is
-- changed back brings only what is new.

local HEAD, EACH, KEYS_EACH, CARRIED = 6, 10, 7, 'carried:'

local indexed, tenant = ARGV[1] == '1', ARGV[2]
local count = (#ARGV - HEAD) / EACH
local index_at = 2 + KEYS_EACH * count
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if count < 0 or count ~= math.floor(count) then return {'bad', 'number of ARGV'} end
if #KEYS ~= index_at + (indexed and 3 or 0) then return {'bad', 'number of KEYS'} end

local steps = {}
for i = 1, count do
  local key, at = 2 + KEYS_EACH * (i - 1), HEAD + EACH * (i - 1)
  local step = {
    old = KEYS[key + 1], new = KEYS[key + 2],
    old_bill = KEYS[key + 3], new_bill = KEYS[key + 4], reserved = KEYS[key + 5],
    old_members = KEYS[key + 6], new_members = KEYS[key + 7],
    resource = ARGV[at + 1], scale = not_negative(ARGV[at + 2]),
    unique = ARGV[at + 3] == '1', from = ARGV[at + 4], to = ARGV[at + 5],
    expires = not_negative(ARGV[at + 6]), bill_expires = not_negative(ARGV[at + 7]),
    before = ARGV[at + 8], after = ARGV[at + 9], operation = ARGV[at + 10],
  }
  if not step.scale then return {'bad', 'scale'} end
  if not step.expires or not step.bill_expires then return {'bad', 'expiry'} end
  if step.from == step.to then return {'bad', 'periods'} end
  steps[i] = step
end

local entry, no_entry =
  read('HMGET', KEYS[1], 'cycle_before', 'anchor', 'interval', 'interval_count')
if no_entry then return {'foreign', KEYS[1], no_entry, 'a directory entry'} end
local cycle = (entry[2] or '') .. ' ' .. (entry[3] or '') .. ' ' .. (entry[4] or '')
if entry[1] ~= ARGV[3] or cycle ~= ARGV[4] then return {'moved'} end
local _, no_trail = trail_end(KEYS[2])
if no_trail then return no_trail end
local audited, sequence, changed = unpack(KEYS, index_at + 1)
if indexed then
  local unfit = unfit_index(sequence, {audited, 'zset', changed, 'zset'})
  if unfit then return unfit end
  need_right('ZADD', audited, '0', tenant)
  need_right('INCR', sequence)
  need_right('ZADD', changed, '1', tenant)
end
need_right('HDEL', KEYS[1], 'cycle_before')
for _, step in ipairs(steps) do
  need_right('XADD', KEYS[2], '*', 'at', '0')
  need_right('INCRBY', step.new, '1')
  need_right('PEXPIREAT', step.new, digits(step.expires), 'NX')
  need_right('HINCRBY', step.new_bill, 'offset', '1')
  need_right('HSET', step.new_bill, CARRIED, '1')
  need_right('PEXPIREAT', step.new_bill, digits(step.bill_expires), 'NX')
  if step.unique then
    need_right('PFMERGE', step.new_members, step.old_members)
    need_right('PEXPIREAT', step.new_members, digits(step.expires), 'NX')
  end
end
local now = clock_ms()

-- A billing record: its offset, and what was carried into the counter from where; or
-- nil and what became of the step.
local function read_bill(key)
  local raw, kind = read('HGETALL', key)
  if kind then return nil, {'foreign', key} end
  local bill = {offset = 0, carried = {}}
  for n = 1, #raw, 2 do
    local from = string.sub(raw[n], 1, #CARRIED) == CARRIED
      and string.sub(raw[n], #CARRIED + 1)
    if from or raw[n] == 'offset' then
      local units = whole(raw[n + 1])
      if not units then return nil, {'broken', key} end
      if from then bill.carried[from] = units else bill.offset = units end
    end
  end
  return bill, nil
end

-- How many members the old period has, the new one, and both together.
local function seen(step)
  if not step.unique then return {old = 0, new = 0, both = 0}, nil end
  local counts = {}
  for name, keys in pairs({
    old = {step.old_members}, new = {step.new_members},
    both = {step.old_members, step.new_members},
  }) do
    local answer = redis.pcall('PFCOUNT', unpack(keys))
    if type(answer) == 'table' then return nil, {'foreign', keys[1]} end
    counts[name] = answer
  end
  return counts, nil
end

-- What is to be carried from where; members are told apart by the HyperLogLogs.
local function shares(step, used, old, new)
  local own, found = used, {}
  for from, units in pairs(old.carried) do
    own = own - units
    found[from] = units
  end
  found[step.from] = own
  found[step.to] = nil -- that is there already
  local units = 0
  for from, share in pairs(found) do units = units + share - (new.carried[from] or 0) end
  return found, units
end

local function decimal(units, scale)
  local text, sign = digits(math.abs(units)), units < 0 and '-' or ''
  if scale == 0 then return sign .. text end
  text = string.rep('0', scale + 1 - #text) .. text
  local fraction = string.gsub(string.sub(text, -scale), '0+$', '')
  if fraction ~= '' then fraction = '.' .. fraction end
  return sign .. string.sub(text, 1, -scale - 1) .. fraction
end

local function write_down(step, before, units)
  local last = trail_end(KEYS[2])
  local _, id_ms = append(KEYS[2], last, {
    at = digits(now), actor = ARGV[5], origin = ARGV[6],
    action = units < 0 and 'adjust:subtract' or 'adjust:add',
    tenant = tenant, resource = step.resource, period = step.to,
    before = digits(before), after = digits(before + units),
    reason = step.before .. decimal(units, step.scale) .. step.after,
    bill = 'quota_only', operation_id = step.operation, undoes = '',
  })
  if indexed then
    redis.call('ZADD', audited, id_ms, tenant)
    note_change(sequence, changed, tenant)
  end
end

local function carry(step)
  if step.expires <= now then return {'late', ''} end
  local used, broken = read_counter(step.old)
  if broken then return {'broken', step.old} end
  local before, broken_too = read_counter(step.new)
  if broken_too then return {'broken', step.new} end
  local back, wrong = expired_units(step.reserved, digits(now), used)
  if wrong then return {'foreign', step.reserved} end
  local old, no_old = read_bill(step.old_bill)
  if no_old then return no_old end
  local new, no_new = read_bill(step.new_bill)
  if no_new then return no_new end
  local counts, no_members = seen(step)
  if no_members then return no_members end
  local found, units = shares(step, used - back - counts.old, old, new)
  units = units + counts.both - counts.new
  if math.abs(units) >= LARGEST or math.abs(before + units) >= LARGEST
    or math.abs(new.offset - units) >= LARGEST then
    return {'overflow', step.resource}
  end

  for from, share in pairs(found) do
    if share ~= (new.carried[from] or 0) then
      redis.call('HSET', step.new_bill, CARRIED .. from, digits(share))
      redis.call('PEXPIREAT', step.new_bill, digits(step.bill_expires), 'NX')
    end
  end
  if counts.old > 0 then
    redis.call('PFMERGE', step.new_members, step.old_members)
    redis.call('PEXPIREAT', step.new_members, digits(step.expires), 'NX')
  end
  if units == 0 then return {'nothing', ''} end
  write_down(step, before, units)
  redis.call('INCRBY', step.new, digits(units))
  redis.call('PEXPIREAT', step.new, digits(step.expires), 'NX')
  redis.call('HINCRBY', step.new_bill, 'offset', digits(-units))
  redis.call('PEXPIREAT', step.new_bill, digits(step.bill_expires), 'NX')
  return {'carried', digits(units)}
end

local answer = {'ok'}
for _, step in ipairs(steps) do
  local became = carry(step)
  answer[#answer + 1], answer[#answer + 2] = became[1], became[2]
end
redis.call('HDEL', KEYS[1], 'cycle_before')
return answer
