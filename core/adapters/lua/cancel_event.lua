-- cancel_event: the two steps around Stripe's cancelling of an event that it accepted.
--
-- KEYS, ARGV[1..10] and replies as in signed.lua, and a last key:
--          string  what is kept of the operation id under which it is compensated
-- ARGV[11] begin    write down that it is to be cancelled; then ask Stripe
--          end      Stripe has cancelled it
--          give_up  Stripe has not, and will not
-- ARGV[12] identifier
-- ARGV[13] 1: its units are billed again, in a new event; 0: they are not
-- ARGV[14..16] event name, customer, timestamp (s)
-- ARGV[17], ARGV[18] units (whole, may be negative), scale
-- ARGV[19] label of the billing period whose level it is; empty: of no gauge
-- ARGV[20] ms of its first request, or earlier
-- ARGV[21] ms after it for which an event can be cancelled
-- Also replies (every element a string):
--   late   it was sent too long ago to be cancelled
--   state, compensated   its units are taken off already
-- That id is kept no shorter than an event can be cancelled, so it is seen in time.
-- While Stripe is asked, the letter is `accepted` and has `doing` = `cancelling`: whoever
-- finds it so after a crash asks Stripe again, and ends it. Each step is done once a
-- letter, and each writes its audit entry; give each an operation id of its own.

local step, identifier, rebill = ARGV[OWN + 1], ARGV[OWN + 2], ARGV[OWN + 3]
local units, scale = whole(ARGV[OWN + 7]), not_negative(ARGV[OWN + 8])
local level = ARGV[OWN + 9]
local first_sent, window = not_negative(ARGV[OWN + 10]), not_negative(ARGV[OWN + 11])
if step ~= 'begin' and step ~= 'end' and step ~= 'give_up' then
  return {'bad', 'step'}
end
if rebill ~= '0' and rebill ~= '1' then return {'bad', 'whether it is billed again'} end
if not units or not scale then return {'bad', 'units'} end
if not not_negative(ARGV[OWN + 6]) then return {'bad', 'timestamp'} end
if not first_sent or not window then return {'bad', 'age'} end
local number = number_of(identifier)
-- An event of the queue, or a test, has no counter: nothing beside it says what it billed.
local queued = not number
if queued and rebill == '1' then return {'bad', 'whether it is billed again'} end
local done = unsigned('event:cancel', 11, 1)
if done then return done end
local letter, wrong = read_letter(letters_key, identifier)
if wrong then return wrong end
local record, broken = read_record(bill_key)
if broken then return broken end

local function begin()
  if letter then return {'state', letter.doing or letter.state} end
  if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return {'state', 'compensated'} end
  if not queued then
    if not record.there or record.seq < number then return {'gone'} end
    if record.in_flight == identifier then return {'state', 'in_flight'} end
    if record['late:' .. digits(number)] == mark_of(identifier) then
      return {'state', 'refused'}
    end
  end
  if first_sent + window <= now then return {'late'} end
  local answer = sign('event:cancel', 'accepted ' .. identifier,
    'cancelling ' .. digits(units), units, record)
  write_letter(letters_key, {
    resource = resource, period = label, identifier = identifier,
    event_name = ARGV[OWN + 4], customer = ARGV[OWN + 5], timestamp = ARGV[OWN + 6],
    units = digits(units), scale = digits(scale), level = level ~= '' and level or nil,
    state = 'accepted', doing = 'cancelling', rebill = rebill,
    source = queued and 'queue' or 'counter', first_sent_at = digits(first_sent),
    at = digits(now), attempts = '1', reason = '', code = '', request_id = '',
  })
  if indexed then redis.call('ZADD', KEYS[8], digits(now), tenant) end
  return answer
end

local function account()
  if queued then return end
  if letter.level then
    -- Stripe has the level before it again; this one is sent once more.
    if letter.rebill == '1' and number == record.seq then
      redis.call('HSET', bill_key, 'reported', '0', 'level', '')
    end
  else
    store(record)
  end
end

-- The letter says what is cancelled: it is not for whoever ends it to say otherwise.
local function finish()
  if not letter then return {'none'} end
  if letter.doing ~= 'cancelling' then return {'state', letter.state} end
  units = whole(letter.units)
  if not units then return {'foreign', letters_key, 'other text', 'letters'} end
  if step == 'give_up' then
    local answer = sign('event:cancel', 'cancelling ' .. identifier,
      'accepted ' .. digits(units), units, record)
    remove_letter(letters_key, identifier, KEYS[8], tenant)
    return answer
  end
  if not queued and not record.there then return {'gone'} end
  if not queued and not letter.level then
    record.reported = record.reported - units
    if letter.rebill ~= '1' then record.offset = record.offset - units end
    if too_large(record) then return {'overflow', resource} end
  end
  local answer = sign('event:cancel', 'cancelling ' .. identifier,
    'cancelled ' .. digits(units), units, record)
  account()
  letter.doing, letter.state, letter.at = nil, 'cancelled', digits(now)
  letter.reason = ARGV[8]
  write_letter(letters_key, letter)
  return answer
end

if step == 'begin' then return begin() end
return finish()
