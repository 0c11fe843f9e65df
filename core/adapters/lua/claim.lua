-- claim: give a worker the event that bills what is unsent of a counter.
--
-- n counters; i = 1..n, each another, of any tenants (with tagged keys: of one). Each is
-- answered for itself: what is wrong with one keeps no other from being claimed.
-- KEYS, if ARGV[1] is 1, first:  zset  index of events in flight
-- then for each counter 3:  string  counter
--                           hash    its billing record
--                           zset    its reservations
-- ARGV[1]  1: write the index; 0: do not (tagged keys)
-- ARGV[2]  id of the worker
-- ARGV[3]  ms for which the events are the worker's own
-- ARGV[4]  epoch: random text of this worker's start, kept in records it makes
-- ARGV[5]  prefix of meterdeck's keys
-- ARGV[6]  ms after its first claim from which an event is not sent again
-- ARGV[7]  ms that a timestamp may be old
-- ARGV[8]  the most units of one event
-- ARGV[9]  n, 1..64
-- then for each counter 12: tenant, resource, period label, event name, customer, scale,
--   period start, period end (ms; both 0: a gauge), ms between two claims,
--   1: negative units are sent or 0, label of the billing period whose level it is
--   (empty: no gauge), ms at which the billing record expires if it has no expiry
-- Reply: ok, replayed 0, server ms, then for each counter one array of strings:
--   claimed, fresh 0|1, identifier, units, scale, number, timestamp (s), claimed at
--            (ms), customer, event name, 1: a request for it may have been answered, and
--            the answer lost; or 0
--   expired, and the same: too old to be sent again; whoever is told settles it
--   leased | held | early, ms at which to ask again, units that wait
--   nothing | negative | too_old | gone, empty, units that wait
--   large, empty, units    of a gauge: more digits than an event can have
--   broken, key, type, value | foreign, key, type, wanted   as in consume
-- or  bad   as in consume; nothing of any counter was written

local HEAD, EACH, KEYS_EACH = 9, 12, 3

local indexed, worker, lease = ARGV[1] == '1', ARGV[2], not_negative(ARGV[3])
local epoch, prefix = ARGV[4], ARGV[5]
local window, oldest = not_negative(ARGV[6]), not_negative(ARGV[7])
local most, count = not_negative(ARGV[8]), not_negative(ARGV[9])
local first_key = indexed and 1 or 0
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if not worker or worker == '' then return {'bad', 'worker'} end
if not lease or lease < 1 then return {'bad', 'lease'} end
if not epoch or epoch == '' then return {'bad', 'epoch'} end
if not window or not oldest then return {'bad', 'age'} end
if not most or most < 1 then return {'bad', 'most units'} end
if not count or count < 1 or count > 64 then return {'bad', 'number of counters'} end
if #ARGV ~= HEAD + EACH * count then return {'bad', 'number of ARGV'} end
if #KEYS ~= first_key + KEYS_EACH * count then return {'bad', 'number of KEYS'} end
if indexed then
  local kind = redis.call('TYPE', KEYS[1]).ok
  if kind ~= 'none' and kind ~= 'zset' then
    return {'foreign', KEYS[1], kind, 'an index'}
  end
  need_right('ZADD', KEYS[1], '1', '')
end
local now = clock_ms()

local wanted, known = {}, {}
for i = 1, count do
  local key, at = first_key + KEYS_EACH * (i - 1), HEAD + EACH * (i - 1)
  local want = {
    counter = KEYS[key + 1], record = KEYS[key + 2], reserved = KEYS[key + 3],
    tenant = ARGV[at + 1], resource = ARGV[at + 2], label = ARGV[at + 3],
    event_name = ARGV[at + 4], customer = ARGV[at + 5], scale = not_negative(ARGV[at + 6]),
    first = not_negative(ARGV[at + 7]), past = not_negative(ARGV[at + 8]),
    flush = not_negative(ARGV[at + 9]), negative = ARGV[at + 10] == '1',
    level = ARGV[at + 11], expires = not_negative(ARGV[at + 12]),
  }
  if not want.scale then return {'bad', 'scale'} end
  if not want.first or not want.past then return {'bad', 'period'} end
  want.endless = want.first == 0 and want.past == 0
  if want.past <= want.first and not want.endless then return {'bad', 'period'} end
  if not want.flush then return {'bad', 'flush interval'} end
  if not want.expires then return {'bad', 'expiry'} end
  if known[want.record] then return {'bad', 'the same counter twice'} end
  known[want.record] = true
  wanted[i] = want
end
local until_text = digits(now + lease)

local function flight_of(record, word, fresh)
  return {
    word, fresh, record.in_flight, digits(record.units), digits(record.scale),
    digits(record.seq), digits(record.timestamp), digits(record.claimed_at),
    record.customer or '', record.event_name or '', record.maybe_sent or '0',
  }
end

-- An event that is in flight already: mine from now on, unless it is somebody's.
local function take_over(want, record)
  local late = record.claimed_at + window <= now
  -- Whoever has it has not said that nothing of it is lost: it may have been sent.
  if record.worker ~= '' then record.maybe_sent = '1' end
  local expired = late and record.maybe_sent == '1'
  if record.leased_until > now and record.worker ~= worker and not expired then
    return {'leased', digits(record.leased_until), '0'}
  end
  -- Stripe never had it: its identifier is as good as new.
  if late and not expired then record.claimed_at = now end
  want.write = {
    'HSET', want.record, 'leased_until', until_text, 'worker', worker,
    'claimed_at', digits(record.claimed_at), 'maybe_sent', record.maybe_sent or '0',
  }
  return flight_of(record, expired and 'expired' or 'claimed', '0')
end

-- Units of reservations that may still be given back: they are billed once they are
-- confirmed. As many as would be given back, see reserved.lua.
local function unconfirmed(want, used)
  local members, kind = read('ZRANGEBYSCORE', want.reserved, '-inf', '(+inf')
  if kind then return nil, {'foreign', want.reserved, kind, 'reservations'} end
  local units = 0
  for _, member in ipairs(members) do
    local amount = not_negative(string.match(member, ':(%d+)$') or '')
    if not amount then
      return nil, {'foreign', want.reserved, 'other text', 'reservations'}
    end
    units = units + amount
  end
  return math.min(units, math.max(0, used)), nil
end

-- When the event is said to have happened, in seconds: within its period.
local function moment(want)
  local second = math.floor(now / 1000)
  if want.endless then return second end
  if now >= want.past then return math.floor((want.past - 1000) / 1000) end
  return math.max(second, math.ceil(want.first / 1000))
end

local function start_flight(want, record, units)
  record.seq, record.units, record.scale = record.seq + 1, units, want.scale
  record.timestamp, record.claimed_at = moment(want), now
  record.customer, record.event_name = want.customer, want.event_name
  -- Made of all that is sent: two payloads never have one identifier, not even where a
  -- failover took a claim back.
  record.in_flight = 'md1-' .. redis.sha1hex(joined({
    prefix, want.tenant, want.resource, want.label, want.event_name, want.customer,
    record.epoch or epoch, digits(record.seq), digits(units), digits(want.scale),
    digits(record.timestamp),
  })) .. '-' .. digits(record.seq)
  local command = {
    'HSET', want.record, 'seq', digits(record.seq), 'sent_at', digits(now),
    'in_flight', record.in_flight, 'units', digits(units), 'scale', digits(want.scale),
    'timestamp', digits(record.timestamp), 'claimed_at', digits(now),
    'leased_until', until_text, 'worker', worker, 'attempts', '0',
    'customer', want.customer, 'event_name', want.event_name,
  }
  local function add(name, value)
    command[#command + 1], command[#command + 2] = name, value
  end
  if want.level ~= '' then add('flight_level', want.level) end
  if not record.epoch then
    want.new = not want.endless
    add('epoch', epoch)
    add('start', digits(want.first))
    add('end', digits(want.past))
  end
  want.write = command
  return flight_of(record, 'claimed', '1')
end

local function claim(want)
  local record, wrong = read_record(want.record)
  if wrong then return wrong end
  local used, broken = read_counter(want.counter)
  if broken then return broken end
  if record.in_flight then return take_over(want, record) end
  local reserved, no_reservations = unconfirmed(want, used)
  if no_reservations then return no_reservations end

  local billable = used - reserved + record.offset
  local units, due = billable - record.reported - record.parked, true
  if want.level ~= '' then
    units = billable
    due = units ~= record.reported or record.level ~= want.level and units ~= 0
  end
  local waiting = digits(units)
  if units == 0 and want.level == '' or not due then return {'nothing', '', '0'} end
  if record.retry_at > now then return {'held', digits(record.retry_at), waiting} end
  -- A counter that has expired, or is lost, was not given back by anybody.
  if record.there and redis.call('EXISTS', want.counter) == 0 then
    return {'gone', '', waiting}
  end
  if units < 0 and not want.negative then return {'negative', '', waiting} end
  local open = want.endless or now < want.past
  if not open and want.past - 1000 + oldest <= now then
    return {'too_old', '', waiting}
  end
  if open and record.sent_at + want.flush > now then
    return {'early', digits(record.sent_at + want.flush), waiting}
  end
  if want.level ~= '' then
    if math.abs(units) > most then return {'large', '', waiting} end
  else
    units = math.max(-most, math.min(most, units))
  end
  return start_flight(want, record, units)
end

local reply = {'ok', '0', digits(now)}
for i, want in ipairs(wanted) do reply[i + 3] = claim(want) end
for _, want in ipairs(wanted) do
  if want.write then need_right('HSET', want.record, 'seq', '1') end
  if want.new then need_right('PEXPIREAT', want.record, '1', 'NX') end
end

-- Nothing above writes, and nothing below fails.
for _, want in ipairs(wanted) do
  if want.write then
    redis.call(unpack(want.write))
    if want.new then
      redis.call('PEXPIREAT', want.record, digits(want.expires), 'NX')
    end
    if indexed then redis.call('ZADD', KEYS[1], until_text, want.record) end
  end
end
return reply
