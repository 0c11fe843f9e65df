-- replay_letter: settle what a letter's units are to be; for an operator.
--
-- KEYS, ARGV[1..10] and replies as in signed.lua, and
-- ARGV[11] identifier
-- ARGV[12] again        a dead or refused event's units go out again, in a new event
--          not_counted  so do an ambiguous one's: Stripe does not have it
--          counted      an ambiguous one's are billed: Stripe has it
-- The letter is removed. What becomes of letters of the queue is decided elsewhere: they
-- are answered with  state, queue.

local ALLOWED = {
  again = {dead = true, refused = true},
  not_counted = {ambiguous = true},
  counted = {ambiguous = true},
}
local AFTER = {again = 'waiting ', not_counted = 'waiting ', counted = 'accepted '}
local ACTIONS = {
  again = 'event:replay', not_counted = 'event:resolve', counted = 'event:resolve',
}

local identifier, how = ARGV[OWN + 1], ARGV[OWN + 2]
if not ALLOWED[how] then return {'bad', 'what is to be done'} end
local done = unsigned(ACTIONS[how], 2)
if done then return done end
local letter, wrong = read_letter(letters_key, identifier)
if wrong then return wrong end
if not letter then return {'none'} end
if letter.source ~= 'counter' then return {'state', 'queue'} end
if not ALLOWED[how][letter.state] then return {'state', letter.state} end
local units = whole(letter.units)
if not units then return {'foreign', letters_key, 'other text', 'letters'} end
local record, broken = read_record(bill_key)
if broken then return broken end
if not record.there then return {'gone'} end

local latest = number_of(identifier) == record.seq
if not letter.level then
  record.parked = record.parked - units
  if how == 'counted' then record.reported = record.reported + units end
  if too_large(record) then return {'overflow', resource} end
end
local answer = sign(ACTIONS[how], letter.state .. ' ' .. identifier,
  AFTER[how] .. digits(units), units, record)
if not letter.level then
  store(record)
  -- Should it have been delivered after all, settling it says so later.
  if how ~= 'counted' and letter.state ~= 'refused' then
    redis.call('HSET', bill_key, 'replayed:' .. digits(number_of(identifier) or 0),
      mark_of(identifier) .. ':' .. digits(units))
  end
elseif how == 'counted' and latest then
  redis.call('HSET', bill_key, 'reported', digits(units), 'level', letter.level)
end
if how ~= 'counted' then redis.call('HDEL', bill_key, 'refused') end
-- A counter that is held, see hold_billing.lua, stays so.
if how ~= 'counted' and not record.held then redis.call('HDEL', bill_key, 'retry_at') end
remove_letter(letters_key, identifier, KEYS[8], tenant)
return answer
