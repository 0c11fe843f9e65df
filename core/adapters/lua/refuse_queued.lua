-- refuse_queued: note that Stripe accepted an event of the queue, and did not count it.
--
-- KEYS[1]  hash  the tenant's letters
-- KEYS[2]  hash  what is noted of the queue's events
-- then, if ARGV[1] is 1:  zset  tenants by their last letter
-- ARGV[1]  1: write the index; 0: do not (tagged keys)
-- ARGV[2], ARGV[3]  tenant, identifier
-- ARGV[4]  the letter, a JSON object
-- Replies (every element a string):
--   ok, replayed 0|1   1: it was known; nothing was written
--   state, cancelled   it was cancelled, and bills nothing either way
--   foreign | bad      as in consume
-- Once an event, whatever becomes of the letter: it is noted in `late:<identifier>`.

local indexed, identifier = ARGV[1] == '1', ARGV[3]
if not indexed and ARGV[1] ~= '0' then return {'bad', 'ARGV[1]'} end
if #ARGV ~= 4 or identifier == '' then return {'bad', 'identifier'} end
if #KEYS ~= (indexed and 3 or 2) then return {'bad', 'number of KEYS'} end
local letter, wrong = read_letter(KEYS[1], identifier)
if wrong then return wrong end
local mark = 'late:' .. identifier
local known, kind = read('HGET', KEYS[2], mark)
if kind then return {'foreign', KEYS[2], kind, 'what is noted of queued events'} end
if known then return {'ok', '1'} end
local state = letter and letter.state
if state == 'dead' or state == 'refused' then return {'ok', '1'} end
if state == 'cancelled' or letter and letter.doing then return {'state', 'cancelled'} end
if indexed then
  local wrong_kind = redis.call('TYPE', KEYS[3]).ok
  if wrong_kind ~= 'none' and wrong_kind ~= 'zset' then
    return {'foreign', KEYS[3], wrong_kind, 'an index'}
  end
  need_right('ZADD', KEYS[3], '1', ARGV[2])
end
need_right('HSET', KEYS[1], identifier, '')
need_right('HSET', KEYS[2], mark, '')

local now = digits(clock_ms())
redis.call('HSET', KEYS[2], mark, now)
redis.call('HSET', KEYS[1], identifier, ARGV[4])
if indexed then redis.call('ZADD', KEYS[3], now, ARGV[2]) end
return {'ok', '0'}
