-- requeue_letter: settle what becomes of a letter of the queue; for an operator.
--
-- KEYS, ARGV[1..10] and replies as in signed.lua, and a last key:  stream  queue
-- ARGV[11] identifier
-- ARGV[12] again, not_counted, counted   as in replay_letter
-- ARGV[13] identifier under which it is queued again; with counted empty
-- ARGV[14] ms after its time for which Stripe takes an event
-- The letter is removed, and the event queued once more, but with counted.
-- Also replies:  state, foreign   track did not write it: it cannot be sent
--                state, too_old   Stripe takes no event of that time any more

local ALLOWED = {
  again = {dead = true, refused = true},
  not_counted = {ambiguous = true},
  counted = {ambiguous = true},
}
local AFTER = {again = 'queued ', not_counted = 'queued ', counted = 'accepted '}
local ACTIONS = {
  again = 'event:replay', not_counted = 'event:resolve', counted = 'event:resolve',
}

local identifier, how, anew = ARGV[OWN + 1], ARGV[OWN + 2], ARGV[OWN + 3]
local window, queue_key = not_negative(ARGV[OWN + 4]), KEYS[#KEYS]
if not ALLOWED[how] then return {'bad', 'what is to be done'} end
if (how == 'counted') ~= (anew == '') then return {'bad', 'new identifier'} end
if not window then return {'bad', 'ms'} end
local done = unsigned(ACTIONS[how], 4, 1)
if done then return done end
local letter, wrong = read_letter(letters_key, identifier)
if wrong then return wrong end
if not letter then return {'none'} end
if letter.source ~= 'queue' then return {'state', 'counter'} end
if not ALLOWED[how][letter.state] then return {'state', letter.state} end
local units, second = whole(letter.units), not_negative(letter.timestamp or '')
local whole_letter = units and second and letter.event_name and letter.value
  and letter.dimensions and letter.scale
if letter.code == 'check_queue_entry' or not whole_letter then
  return {'state', 'foreign'}
end
if how ~= 'counted' then
  if second * 1000 + window < now then return {'state', 'too_old'} end
  local _, kind = read('XLEN', queue_key)
  if kind then return {'foreign', queue_key, kind, 'a queue of meter events'} end
  need_right('XADD', queue_key, '*', 'tenant', tenant)
  -- First, as its ids may be used up: where it fails, nothing is done.
  redis.call('XADD', queue_key, '*', 'tenant', tenant, 'resource', resource,
    'period', label, 'identifier', anew, 'event_name', letter.event_name,
    'value', letter.value, 'units', letter.units, 'scale', letter.scale,
    'timestamp', letter.timestamp, 'dimensions', letter.dimensions,
    'source', 'requeued')
end
local answer = sign(ACTIONS[how], letter.state .. ' ' .. identifier,
  AFTER[how] .. digits(units), units, {offset = 0, reported = 0, parked = 0})
remove_letter(letters_key, identifier, KEYS[8], tenant)
return answer
