-- What the scripts have in common by which operators change what is billed.
-- Comes after checks.lua, trail.lua, billing.lua and letters.lua. `sign` writes.
--
-- KEYS[1]  hash    billing record
-- KEYS[2]  hash    the tenant's letters
-- KEYS[3]  stream  audit trail of the tenant
-- KEYS[4]  string  what is kept of this operation id
-- then, if ARGV[1] is 1:  zset    tenants by their last audit entry
--                         string  last sequence number
--                         zset    index of changed tenants
--                         zset    tenants by their last letter
-- ARGV[1]  1: write the four indexes too; 0: do not (tagged keys)
-- ARGV[2]  seconds to keep the answer for this operation id
-- ARGV[3..5]  tenant, resource, period label
-- ARGV[6..10] actor, origin, reason, operation id, empty (none of these is an undo)
-- then the script's own
-- Replies of all (every element a string), besides their own:
--   ok, replayed 0|1, audit entry's id, units, and the record's offset, reported and
--                     parked after it
--   none             there is no letter of this identifier
--   state, which     the letter's state, with which this cannot be done
--   gone             there is no billing record (any more)
--   broken | foreign | overflow | reused | bad   as in consume

local OWN = 10 -- arguments before the script's own

local indexed, keep_s = ARGV[1] == '1', not_negative(ARGV[2])
local tenant, resource, label = ARGV[3], ARGV[4], ARGV[5]
local bill_key, letters_key, audit_key, operation_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock_ms()
local request, trail -- set by `unsigned`

-- Nil, or the reply that ends the script: something is wrong, or it was done before.
-- `own` is how many arguments are the script's own; with the action they are what a
-- repeated operation id must ask for again. `more`: how many keys are.
local function unsigned(action, own, more)
  if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
  if not keep_s or keep_s < 1 then return {'bad', 'ARGV[2]'} end
  if #ARGV ~= OWN + own then return {'bad', 'number of ARGV'} end
  if #KEYS ~= (indexed and 8 or 4) + (more or 0) then return {'bad', 'number of KEYS'} end
  if ARGV[8] == '' then return {'bad', 'reason'} end
  if ARGV[10] ~= '' then return {'bad', 'undoes'} end
  local parts = {action, resource, label}
  for i = 1, own do parts[3 + i] = ARGV[OWN + i] end
  request = joined(parts)
  local repeated = first_answer(operation_key, request)
  if repeated then return repeated end
  local last, no_trail = trail_end(audit_key)
  if no_trail then return no_trail end
  trail = last
  need_right('HSET', bill_key, 'reported', '0')
  need_right('HDEL', bill_key, 'retry_at')
  need_right('HSET', letters_key, '', '')
  need_right('HDEL', letters_key, '')
  need_right('EXISTS', letters_key)
  need_right('XADD', audit_key, '*', 'at', '0')
  need_right('SET', operation_key, '', 'EX', digits(keep_s))
  if not indexed then return nil end
  local unfit = unfit_index(KEYS[6], {KEYS[5], 'zset', KEYS[7], 'zset', KEYS[8], 'zset'})
  if unfit then return unfit end
  need_right('ZADD', KEYS[5], digits(now), tenant)
  need_right('INCR', KEYS[6])
  need_right('ZADD', KEYS[7], '1', tenant)
  need_right('ZADD', KEYS[8], digits(now), tenant)
  need_right('ZREM', KEYS[8], tenant)
  return nil
end

-- Write down what was decided, and return the answer; the trail comes first.
local function sign(action, before, after, units, record)
  local id, id_ms = append(audit_key, trail, {
    at = digits(now), actor = ARGV[6], origin = ARGV[7], action = action,
    tenant = tenant, resource = resource, period = label,
    before = before, after = after, reason = ARGV[8], bill = '',
    operation_id = ARGV[9], undoes = '',
  })
  local answer = {
    'ok', '0', id, digits(units), digits(record.offset), digits(record.reported),
    digits(record.parked),
  }
  keep(operation_key, request, answer, digits(keep_s))
  if indexed then
    redis.call('ZADD', KEYS[5], id_ms, tenant)
    note_change(KEYS[6], KEYS[7], tenant)
  end
  return answer
end

local function store(record)
  redis.call('HSET', bill_key, 'offset', digits(record.offset),
    'reported', digits(record.reported), 'parked', digits(record.parked))
end

local function too_large(record)
  return math.abs(record.offset) >= LARGEST or math.abs(record.reported) >= LARGEST
    or math.abs(record.parked) >= LARGEST
end

-- The number of an event among those of its counter, which its identifier ends with;
-- nil where it is none of a counter's.
local function number_of(identifier)
  return not_negative(string.match(identifier, '^md1%-.*%-(%d+)$') or '')
end
