-- repair_billing: change what is billed of a counter, not through the counter itself.
--
-- KEYS, ARGV[1..10] and replies as in signed.lua, and
-- ARGV[11] compensate   units that were billed must not have been: `offset` changes
--          repair       Stripe has more or less than was accounted for: `reported` does
-- ARGV[12] what is added to it (whole, may be negative)
-- ARGV[13] the value that the operator saw; empty: any
-- ARGV[14] ms at which a billing record that is made expires, if it has no expiry
--          (0: never)
-- ARGV[15] identifier of the event whose units they are; empty: of none
-- Also replies (every element a string):
--   conflict, value now   it is not the value that the operator saw
--   state, which          the event has a letter: Stripe does not count it, or is being
--                         asked to cancel it

local ACTIONS = {compensate = 'event:compensate', repair = 'billing:repair'}
local what, delta = ARGV[OWN + 1], whole(ARGV[OWN + 2])
local expected, expires = ARGV[OWN + 3], not_negative(ARGV[OWN + 4])
local identifier = ARGV[OWN + 5]
if not ACTIONS[what] then return {'bad', 'what is to be done'} end
if not delta then return {'bad', 'what is added'} end
if expected ~= '' and not whole(expected) then return {'bad', 'expected value'} end
if not expires then return {'bad', 'expiry'} end
local done = unsigned(ACTIONS[what], 5)
if done then return done end
if identifier ~= '' then
  local letter, wrong = read_letter(letters_key, identifier)
  if wrong then return wrong end
  if letter then return {'state', letter.doing or letter.state} end
end
local record, broken = read_record(bill_key)
if broken then return broken end
if not record.there and what == 'compensate' then return {'gone'} end
local field = what == 'compensate' and 'offset' or 'reported'
local before = record[field]
if expected ~= '' and whole(expected) ~= before then
  return {'conflict', digits(before)}
end
record[field] = before + delta
if too_large(record) then return {'overflow', resource} end
if expires > 0 then need_right('PEXPIREAT', bill_key, digits(expires), 'NX') end

local answer = sign(ACTIONS[what], digits(before), digits(record[field]), delta, record)
redis.call('HSET', bill_key, field, digits(record[field]))
if expires > 0 then redis.call('PEXPIREAT', bill_key, digits(expires), 'NX') end
return answer
