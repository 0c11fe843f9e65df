-- track: count units where the limit allows it, and queue their meter event: both in
-- one step, or neither. Once a call id.
--
-- KEYS[1]  hash    directory entry of the tenant (may not exist)
-- KEYS[2]  string  counter
-- KEYS[3]  hash    override (may not exist)
-- KEYS[4]  hash    use beyond the limit (may not exist)
-- KEYS[5]  stream  refusals of the tenant
-- KEYS[6]  stream  queue of meter events
-- KEYS[7]  string  what is kept of the call's id
-- then, if ARGV[1] is 1:  string  last sequence number
--                         zset    index of changed tenants
-- ARGV[1]  1: note the change in the index; 0: do not
-- ARGV[2]  tenant
-- ARGV[3..6]  resource, period start and end (ms, [start, end)), period label
-- ARGV[7]  billing cycle the period was computed from, as in consume
-- ARGV[8..10]  limit, its source and rule, as in consume's terms
-- ARGV[11] milliseconds a counter is kept after its period's end
-- ARGV[12] seconds to keep the answer for this call id, at least 1
-- ARGV[13] units, 1..10^15-1
-- ARGV[14] decimals of the resource, 0..9: units are in 10^-decimals
-- ARGV[15] event name of the meter
-- ARGV[16] when it was used (s), within the period; empty: now
-- ARGV[17] dimensions: a JSON object of texts, its names in order
-- ARGV[18] who queues it
-- ARGV[19] empty; or when it was used (s, where ARGV[16] is empty), and it was allowed
--          while Redis did not answer: no limit is asked, and the period may be over
-- ARGV[20] with ARGV[19] the ms from which on a missing answer proves nothing
-- Replies (every element a string):
--   ok, replayed 0|1, allowed 0|1, server ms, name, value now, limit, source, verdict,
--     period start, end, label: as consume answers a call of one resource with an id
--   when, server ms      the time of use is not in the period, or Stripe would not take it
--   late, name           the counter's time is over
--   doubtful, server ms  nothing is kept of the id, and it is later than ARGV[20]
--   period | cycle | broken | foreign | overflow | reused | bad   as in consume

local LARGEST_UNITS, OLDEST_MS, NEWEST_MS = 999999999999999, 35 * 86400000, 300000

local indexed, tenant, name = ARGV[1] == '1', ARGV[2], ARGV[3]
local first, past = not_negative(ARGV[4]), not_negative(ARGV[5])
local retention, keep_s = not_negative(ARGV[11]), not_negative(ARGV[12])
local units, scale = not_negative(ARGV[13]), not_negative(ARGV[14])
local used_at, allowed_before = not_negative(ARGV[16]), ARGV[19] ~= ''
local spooled_at, proves_until = not_negative(ARGV[19]), not_negative(ARGV[20])
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if #ARGV ~= 20 then return {'bad', 'number of ARGV'} end
if not first or not past or past <= first then return {'bad', 'period'} end
if not retention then return {'bad', 'ARGV[11]'} end
if not keep_s or keep_s < 1 then return {'bad', 'ARGV[12]'} end
if not units or units < 1 or units > LARGEST_UNITS then return {'bad', 'units'} end
if not scale or scale > 9 then return {'bad', 'decimals'} end
if ARGV[15] == '' then return {'bad', 'event name'} end
if not used_at and ARGV[16] ~= '' then return {'bad', 'time of use'} end
if allowed_before and not (spooled_at and proves_until) then
  return {'bad', 'ARGV[19]'}
end
local sound, dimensions = pcall(cjson.decode, ARGV[17])
if not sound or type(dimensions) ~= 'table' or string.sub(ARGV[17], 1, 1) ~= '{' then
  return {'bad', 'dimensions'}
end
local entry_key, counter_key, override_key, beyond_key = unpack(KEYS, 1, 4)
local refusals_key, queue_key, call_key = unpack(KEYS, 5, 7)
local sequence, changed = KEYS[8], KEYS[9]
if #KEYS ~= (indexed and 9 or 7) then return {'bad', 'number of KEYS'} end

-- Units as the decimal number that Stripe is told, exactly.
local function exact(number)
  local text = digits(number)
  if scale == 0 then return text end
  text = string.rep('0', scale + 1 - #text) .. text
  local part = string.gsub(string.sub(text, -scale), '0+$', '')
  return string.sub(text, 1, -scale - 1) .. (part == '' and '' or '.' .. part)
end

-- No resource's name has a colon: the request is none of consume's.
local request =
  joined({':track', name, ARGV[13], ARGV[14], ARGV[15], ARGV[16], ARGV[17]})
local repeated = first_answer(call_key, request)
-- What was allowed while Redis did not answer was used, though Redis refused it.
if repeated and not (allowed_before and repeated[3] == '0') then return repeated end

local now = clock_ms()
local expires = digits(past + retention)
if now < first or now >= past and not allowed_before then
  return {'period', digits(now)}
end
if now >= past + retention then return {'late', name} end
if allowed_before and not repeated and now > proves_until then
  return {'doubtful', digits(now)}
end
local at = used_at or spooled_at or math.max(math.floor(now / 1000), first / 1000)
if at * 1000 < math.max(first, now - OLDEST_MS)
  or at * 1000 >= past or at * 1000 > now + NEWEST_MS then
  return {'when', digits(now)}
end
local used, broken = read_counter(counter_key)
if broken then return broken end
local limit, problem = one_limit(entry_key, override_key, {
  name = name, limit = ARGV[8], source = ARGV[9], rule = ARGV[10], cycle = ARGV[7],
}, now)
if problem then return problem end
if allowed_before then limit = {text = 'none', source = 'none'} end
local _, kind = read('XLEN', queue_key)
if kind then return {'foreign', queue_key, kind, 'a queue of meter events'} end

local given, rule = '0', limit.rule
if limit.units and rule then
  given, problem = limit.rules.verdict(rule, beyond_key, used, units, limit.units, now)
  if problem then return problem end
elseif limit.units and used + units > limit.units then
  given = refusal(units, limit.units)
end
local allowed = given == '0' or given == 'over' or given == 'shadow'
if allowed and used > LARGEST - units then return {'overflow', name} end
local after = allowed and used + units or used
local answer = {'ok', '0', allowed and '1' or '0', digits(now), name, digits(after),
  limit.text, limit.source, given, ARGV[4], ARGV[5], ARGV[6]}

need_right('SET', call_key, '', 'EX', digits(keep_s))
if allowed then
  need_right('XADD', queue_key, '*', 'tenant', tenant)
  need_right('INCRBY', counter_key, '1')
  need_right('PEXPIREAT', counter_key, expires, 'NX')
  if indexed then
    need_right('INCR', sequence)
    need_right('ZADD', changed, '1', tenant)
  end
  if given ~= '0' then
    limit.rules.note(rule, beyond_key, given, units, expires, now)
  end
  -- Nothing above writes. The index comes first, then the queue, whose ids somebody may
  -- have used up: where either fails, nothing is counted. Nothing after them fails.
  if indexed then note_change(sequence, changed, tenant) end
  redis.call('XADD', queue_key, '*', 'tenant', tenant, 'resource', name,
    'period', ARGV[6],
    'identifier', 'md1-' .. redis.sha1hex(joined({call_key, name})) .. '-q',
    'event_name', ARGV[15], 'value', exact(units), 'units', ARGV[13],
    'scale', ARGV[14], 'timestamp', digits(at), 'dimensions', ARGV[17],
    'source', ARGV[18])
  redis.call('INCRBY', counter_key, digits(units))
  redis.call('PEXPIREAT', counter_key, expires, 'NX')
  if limit.rules then limit.rules.write() end
else
  local refusals = make_refusals()
  refusals.note(refusals_key, now, {
    'at', digits(now), 'resource', name, 'reason', given, 'before', digits(used),
    'cost', digits(units), 'limit', limit.text, 'source', limit.source,
    'start', ARGV[4], 'end', ARGV[5], 'period', ARGV[6],
    'call', string.match(call_key, '[^:]*$'),
  })
  refusals.write()
end
keep(call_key, request, answer, digits(keep_s))
return answer
