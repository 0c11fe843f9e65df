-- take_turn: one of several workers does what is to be done every so often.
--
-- KEYS[1]  hash  what workers share
-- ARGV[1]  what is to be done
-- ARGV[2]  number of the turn, which rises
-- Reply: ok, 1: it is yours; 0: this turn, or a later one, was taken
-- or  foreign | bad   as in consume

local number = not_negative(ARGV[2])
if not number or #ARGV ~= 2 then return {'bad', 'number of the turn'} end
if #KEYS ~= 1 then return {'bad', 'number of KEYS'} end
local field = 'turn:' .. ARGV[1]
local last, kind = read('HGET', KEYS[1], field)
if kind then return {'foreign', KEYS[1], kind, 'what workers share'} end
need_right('HSET', KEYS[1], field, '0')
if last and (not_negative(last) or 0) >= number then return {'ok', '0'} end
redis.call('HSET', KEYS[1], field, digits(number))
return {'ok', '1'}
