-- settle_delivery: account for what became of events in flight.
--
-- n settlements; i = 1..n, of any tenants (with tagged keys: of one), each
-- of another counter.
-- KEYS, if ARGV[1] is 1, first:  zset    index of events in flight
--                                zset    tenants by their last letter
--                                stream  delivery log
-- then for each settlement 2:  hash  billing record
--                              hash  the tenant's letters
-- ARGV[1]  1: write indexes and log; 0: do not (tagged keys)
-- ARGV[2]  lines the delivery log is cut to
-- ARGV[3]  id of the worker
-- ARGV[4]  n, 1..64
-- then for each settlement 11: tenant, resource, period label, identifier,
--   delivered | later | dead | ambiguous, attempts that were made, of later: ms from now
--   until it may be sent again, 1: one of the attempts had no answer or 0, Stripe's text
--   or ours, its code, its request id;
--   then m, 0..32, and m pairs: fields of the line in the delivery log, none: no line.
--   What was settled before gets no line
-- Reply: ok, replayed 0, server ms, then for each settlement 1 or 0: 0 where it was stale:
--   the event is not in flight (any more), and its letter, if any, says nothing new; or
--   it was not delivered, and is another worker's; or the record or the letters are
--   damaged
-- or  foreign | bad   as in consume; nothing of any settlement was written

local HEAD, EACH = 4, 12
local VERDICTS = {delivered = true, later = true, dead = true, ambiguous = true}
local FIRST_PAUSE, LONGEST_PAUSE = 60000, 3600000

local indexed, lines = ARGV[1] == '1', not_negative(ARGV[2])
local worker, count = ARGV[3], not_negative(ARGV[4])
local first_key = indexed and 3 or 0
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if not lines then return {'bad', 'lines of the log'} end
if not worker or worker == '' then return {'bad', 'worker'} end
if not count or count < 1 or count > 64 then return {'bad', 'number of settlements'} end
if #KEYS ~= first_key + 2 * count then return {'bad', 'number of KEYS'} end
local unsettled, lettered, log
if indexed then unsettled, lettered, log = KEYS[1], KEYS[2], KEYS[3] end
local now = clock_ms()

local function unfit(key, wanted_kind)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' or kind == wanted_kind then return nil end
  return {'foreign', key, kind, 'an index'}
end
if indexed then
  local wrong = unfit(unsettled, 'zset') or unfit(lettered, 'zset') or unfit(log, 'stream')
  if wrong then return wrong end
  need_right('ZADD', unsettled, '1', '')
  need_right('ZREM', unsettled, '')
  need_right('ZADD', lettered, '1', '')
  need_right('ZREM', lettered, '')
  need_right('XADD', log, 'MAXLEN', '~', digits(lines), '*', 'source', '')
end

local settlements, known, at = {}, {}, HEAD
for i = 1, count do
  local one = {
    record = KEYS[first_key + 2 * i - 1], letters = KEYS[first_key + 2 * i],
    tenant = ARGV[at + 1], resource = ARGV[at + 2], label = ARGV[at + 3],
    identifier = ARGV[at + 4], verdict = ARGV[at + 5],
    attempts = not_negative(ARGV[at + 6]), after = not_negative(ARGV[at + 7]),
    unanswered = ARGV[at + 8] == '1', reason = ARGV[at + 9], code = ARGV[at + 10],
    request_id = ARGV[at + 11], line = {},
  }
  local pairs_of_line = not_negative(ARGV[at + 12])
  if not one.identifier or one.identifier == '' then return {'bad', 'identifier'} end
  if not VERDICTS[one.verdict] then return {'bad', 'verdict'} end
  if not one.attempts then return {'bad', 'attempts'} end
  if not one.after then return {'bad', 'ms until it may be sent again'} end
  if not pairs_of_line or pairs_of_line > 32 then return {'bad', 'line of the log'} end
  for k = 1, 2 * pairs_of_line do one.line[k] = ARGV[at + EACH + k] end
  at = at + EACH + 2 * pairs_of_line
  if at > #ARGV then return {'bad', 'number of ARGV'} end
  if known[one.record] then return {'bad', 'the same counter twice'} end
  known[one.record] = true
  local record, wrong = read_record(one.record)
  if not wrong then
    one.state = record
    need_right('HSET', one.record, 'seq', '1')
    need_right('HDEL', one.record, 'seq')
  end
  -- Most are in flight and delivered: nothing about letters is asked then.
  if not wrong and (one.verdict ~= 'delivered' or record.in_flight ~= one.identifier) then
    local letter, no_letters = read_letter(one.letters, one.identifier)
    -- One that is damaged keeps none of the others from being settled.
    if no_letters then one.state = nil end
    one.letter = letter
    need_right('HSET', one.letters, '', '')
    need_right('HDEL', one.letters, '')
    need_right('EXISTS', one.letters)
  end
  settlements[i] = one
end
if at ~= #ARGV then return {'bad', 'number of ARGV'} end

local function park(one)
  local record, level = one.state, one.state.flight_level
  local command = {'HSET', one.record}
  local function set(name, number)
    command[#command + 1], command[#command + 2] = name, digits(number)
  end
  -- A level that did not arrive is not owed: the level as it is then is sent.
  if not level then set('parked', record.parked + record.units) end
  if one.verdict == 'dead' then
    set('refused', record.refused + 1)
    local pause = FIRST_PAUSE * 2 ^ math.min(record.refused, 10)
    -- A counter that is held, see hold_billing.lua, stays so.
    set('retry_at', math.max(record.retry_at, now + math.min(pause, LONGEST_PAUSE)))
  end
  if #command > 2 then redis.call(unpack(command)) end
  write_letter(one.letters, {
    resource = one.resource, period = one.label, identifier = one.identifier,
    event_name = record.event_name or '', customer = record.customer or '',
    units = digits(record.units), scale = digits(record.scale),
    timestamp = digits(record.timestamp), level = level,
    state = one.verdict, source = 'counter', first_sent_at = digits(record.claimed_at),
    at = digits(now), attempts = digits(record.attempts + one.attempts),
    reason = one.reason, code = one.code, request_id = one.request_id,
  })
  if indexed then redis.call('ZADD', lettered, digits(now), one.tenant) end
end

local function deliver(one)
  local record, level = one.state, one.state.flight_level
  local reported = level and record.units or record.reported + record.units
  local command = {'HSET', one.record, 'reported', digits(reported)}
  local function set(name, value)
    command[#command + 1], command[#command + 2] = name, value
  end
  if record.refused ~= 0 then set('refused', '0') end
  if level then set('level', level) end
  redis.call(unpack(command))
end

-- Its units went out again, in another event: what was billed twice is taken back.
local function settle_replayed(one)
  local number = string.match(one.identifier, '%-(%d+)$')
  local field = 'replayed:' .. (number or '')
  local mark, text = string.match(one.state[field] or '', '^(%x+):(%-?%d+)$')
  local units = text and whole(text)
  if mark ~= mark_of(one.identifier) or not units then return false end
  redis.call('HSET', one.record, 'reported', digits(one.state.reported + units))
  redis.call('HDEL', one.record, field)
  return true
end

-- Settled by somebody else meanwhile. Only that Stripe has it after all is news.
local function settle_late(one)
  local letter = one.letter
  if one.verdict ~= 'delivered' then return false end
  if not letter then return settle_replayed(one) end
  if letter.state ~= 'dead' and letter.state ~= 'ambiguous' then return false end
  local units = whole(letter.units)
  if not units or letter.source ~= 'counter' then return false end
  if not letter.level then
    redis.call('HSET', one.record, 'parked', digits(one.state.parked - units),
      'reported', digits(one.state.reported + units))
  end
  remove_letter(one.letters, one.identifier, lettered, one.tenant)
  return true
end

local function settle(one)
  local record = one.state
  if not record then return false end
  if record.in_flight ~= one.identifier then return settle_late(one) end
  -- Whoever has taken it over may have it delivered yet; that it was delivered is true
  -- whoever says so.
  if one.verdict ~= 'delivered' and record.worker ~= worker then return false end
  if one.verdict == 'later' then
    local until_ms = digits(now + one.after)
    redis.call('HSET', one.record, 'leased_until', until_ms, 'worker', '',
      'attempts', digits(record.attempts + one.attempts))
    if one.unanswered then redis.call('HSET', one.record, 'maybe_sent', '1') end
    if indexed then redis.call('ZADD', unsettled, until_ms, one.record) end
    return true
  end
  if one.verdict == 'delivered' then deliver(one) else park(one) end
  clear_flight(one.record)
  if indexed then redis.call('ZREM', unsettled, one.record) end
  return true
end

local reply = {'ok', '0', digits(now)}
for i, one in ipairs(settlements) do
  local settled = settle(one)
  reply[i + 3] = settled and '1' or '0'
  if indexed and settled and #one.line > 0 then
    redis.call('XADD', log, 'MAXLEN', '~', digits(lines), '*', unpack(one.line))
  end
end
return reply
