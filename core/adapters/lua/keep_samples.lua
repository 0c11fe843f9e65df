-- keep_samples: replace the samples of a counter, if they still are what was read.
--
-- KEYS[1]  hash  samples of a tenant's counters of one period
-- ARGV[1]  resource
-- ARGV[2]  its samples as they were read, empty: none
-- ARGV[3]  its samples now
-- ARGV[4]  ms at which the key expires
-- Reply: ok, 1: they were replaced; 0: somebody else has, and nothing was written
-- or  foreign | bad   as in consume

local ends = not_negative(ARGV[4])
if #KEYS ~= 1 then return {'bad', 'number of KEYS'} end
if not ends or #ARGV ~= 4 or ARGV[3] == '' then return {'bad', 'samples'} end
local before, kind = read('HGET', KEYS[1], ARGV[1])
if kind then return {'foreign', KEYS[1], kind, 'samples'} end
if (before or '') ~= ARGV[2] then return {'ok', '0'} end
need_right('HSET', KEYS[1], ARGV[1], ARGV[3])
need_right('PEXPIREAT', KEYS[1], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ends)
return {'ok', '1'}
