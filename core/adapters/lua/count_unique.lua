-- count_unique: count distinct members in a period, where the limit allows it: all of
-- them, or none.
--
-- A HyperLogLog has the members; the counter is raised by what they raise its estimate,
-- so it never falls by itself, and what others add to it or take away stays.
-- KEYS[1]  hash    directory entry of the tenant (may not exist)
-- KEYS[2]  string  counter
-- KEYS[3]  hash    override (may not exist)
-- KEYS[4]  hash    use beyond the limit (may not exist)
-- KEYS[5]  stream  refusals of the tenant
-- KEYS[6]  string  HyperLogLog of the period's members
-- KEYS[7]  string  one beside it, which exists while this script runs
-- then, if ARGV[12] is not 0:  string  what is kept of the call's id
-- then, if ARGV[1] is 1:       string  last sequence number
--                              zset    index of changed tenants
-- ARGV[1]  1: note the change in the index; 0: do not
-- ARGV[2]  tenant
-- ARGV[3..6]  resource, period start and end (ms, [start, end)), period label
-- ARGV[7]  billing cycle the period was computed from, as in consume
-- ARGV[8..10]  limit, its source and rule, as in consume's terms
-- ARGV[11] milliseconds a counter is kept after its period's end
-- ARGV[12] seconds to keep the answer for this call id; 0: it has none
-- ARGV[13] 1: they were allowed while Redis did not answer, so no limit is asked, and the
--          period may be over; 0: they were not
-- ARGV[14...]  members, 1..1000, each 1..512 bytes
-- Replies (every element a string):
--   ok, replayed 0|1, allowed 0|1, server ms, name, value now, limit, source, verdict,
--     period start, end, label: as consume answers a call of one resource with an id
--   late, name   they were allowed before, and that counter's time is over
--   period | cycle | broken | foreign | overflow | reused | bad   as in consume

local HEAD, MOST_MEMBERS, LONGEST_MEMBER = 13, 1000, 512

local indexed, tenant, name = ARGV[1] == '1', ARGV[2], ARGV[3]
local first, past = not_negative(ARGV[4]), not_negative(ARGV[5])
local retention, keep_s = not_negative(ARGV[11]), not_negative(ARGV[12])
local allowed_before = ARGV[13] == '1'
local count = #ARGV - HEAD
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if not first or not past or past <= first then return {'bad', 'period'} end
if not retention then return {'bad', 'ARGV[11]'} end
if not keep_s then return {'bad', 'ARGV[12]'} end
if not allowed_before and ARGV[13] ~= '0' then return {'bad', 'ARGV[13]'} end
if count < 1 or count > MOST_MEMBERS then return {'bad', 'number of members'} end
for i = HEAD + 1, #ARGV do
  if ARGV[i] == '' or #ARGV[i] > LONGEST_MEMBER then return {'bad', 'member'} end
end
local entry_key, counter_key, override_key, beyond_key = unpack(KEYS, 1, 4)
local refusals_key, members_key, try_key = unpack(KEYS, 5, 7)
local call_key = keep_s > 0 and KEYS[8] or nil
local index_at = call_key and 8 or 7
local sequence, changed = KEYS[index_at + 1], KEYS[index_at + 2]
if #KEYS ~= index_at + (indexed and 2 or 0) then return {'bad', 'number of KEYS'} end

-- No resource's name has a colon: the request is none of consume's.
local request = call_key
  and joined({':count_unique', name, redis.sha1hex(joined({unpack(ARGV, HEAD + 1)}))})
local repeated = call_key and first_answer(call_key, request)
if repeated then return repeated end

local now = clock_ms()
local expires = digits(past + retention)
if now < first or now >= past and not allowed_before then
  return {'period', digits(now)}
end
if now >= past + retention then return {'late', name} end
local used, broken = read_counter(counter_key)
if broken then return broken end
local limit, problem = one_limit(entry_key, override_key, {
  name = name, limit = ARGV[8], source = ARGV[9], rule = ARGV[10], cycle = ARGV[7],
}, now)
if problem then return problem end
if allowed_before then limit = {text = 'none', source = 'none'} end
local seen, kind = read('PFCOUNT', members_key)
if kind then return {'foreign', members_key, kind, 'members'} end
if redis.call('EXISTS', try_key) == 1 then
  return {'foreign', try_key, redis.call('TYPE', try_key).ok, 'nothing'}
end

need_right('PFADD', members_key, '')
need_right('SET', members_key, '', 'KEEPTTL')
need_right('UNLINK', members_key)
need_right('PFADD', try_key, '')
need_right('PFCOUNT', members_key, try_key)
need_right('UNLINK', try_key)
need_right('INCRBY', counter_key, '1')
need_right('PEXPIREAT', counter_key, expires, 'NX')
need_right('PEXPIREAT', members_key, expires, 'NX')
if call_key then need_right('SET', call_key, '', 'EX', digits(keep_s)) end
if indexed then
  need_right('INCR', sequence)
  need_right('ZADD', changed, '1', tenant)
end

-- What the members raise the estimate by shows only when they are in. Where the limit
-- is near they are tried beside it, so that a refusal costs replicas and the disk next
-- to nothing; elsewhere members that are known, as most are, cost no write at all, and
-- a rare refusal puts all bytes back.
local rule = limit.rule
local refuses = limit.units and (limit.units == 0 or not rule or rule.kind ~= 'soft')
if rule and rule.kind == 'shadow' then refuses = false end
local near = refuses and used + 2 * count >= limit.units
local kept = not near and redis.call('GET', members_key)
local raised

local function take_back()
  if near then return end
  if kept then
    redis.call('SET', members_key, kept, 'KEEPTTL')
  else
    redis.call('UNLINK', members_key)
  end
end

if near then
  redis.call('PFADD', try_key, unpack(ARGV, HEAD + 1))
  raised = redis.call('PFCOUNT', members_key, try_key) - seen
  redis.call('UNLINK', try_key)
elseif redis.call('PFADD', members_key, unpack(ARGV, HEAD + 1)) == 1 then
  raised = redis.call('PFCOUNT', members_key) - seen
end
raised = math.max(0, raised or 0)

local given = '0'
if refuses and limit.units == 0 then
  given = 'blocked'
elseif limit.units and raised > 0 then
  if rule then
    given, problem =
      limit.rules.verdict(rule, beyond_key, used, raised, limit.units, now)
  elseif used + raised > limit.units then
    given = refusal(raised, limit.units)
  end
end
if used > LARGEST - raised then problem = {'overflow', name} end
if problem then
  take_back()
  return problem
end
local allowed = given == '0' or given == 'over' or given == 'shadow'
local after = allowed and used + raised or used
local answer = {'ok', '0', allowed and '1' or '0', digits(now), name, digits(after),
  limit.text, limit.source, given, ARGV[4], ARGV[5], ARGV[6]}

if allowed then
  local noted, why = pcall(function()
    if given == 'over' or given == 'shadow' then
      limit.rules.note(rule, beyond_key, given, raised, expires, now)
    end
    -- The index comes first: were one of its keys of another type, nothing would be
    -- counted. Nothing after it fails.
    if indexed and raised > 0 then note_change(sequence, changed, tenant) end
  end)
  if not noted then
    take_back()
    error(why)
  end
  if near then
    redis.call('PFADD', members_key, unpack(ARGV, HEAD + 1))
    redis.call('PFCOUNT', members_key) -- which keeps it in the key: the next is a read
  end
  redis.call('PEXPIREAT', members_key, expires, 'NX')
  if raised > 0 then
    redis.call('INCRBY', counter_key, digits(raised))
    redis.call('PEXPIREAT', counter_key, expires, 'NX')
  end
  if limit.rules then limit.rules.write() end
else
  take_back()
  local refusals = make_refusals()
  refusals.note(refusals_key, now, {
    'at', digits(now), 'resource', name, 'reason', given, 'before', digits(used),
    'cost', digits(raised), 'limit', limit.text, 'source', limit.source,
    'start', ARGV[4], 'end', ARGV[5], 'period', ARGV[6],
    'call', string.match(call_key or '', '[^:]*$'),
  })
  refusals.write()
end
if call_key then keep(call_key, request, answer, digits(keep_s)) end
return answer
