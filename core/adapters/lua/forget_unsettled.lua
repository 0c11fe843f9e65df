-- forget_unsettled: take events out of the index of those in flight, unless somebody
-- has moved them meanwhile. For tagged keys, where no script can write the index.
--
-- KEYS[1]  zset  index of events in flight
-- ARGV     for each 2: billing record's key, the score it was given
-- Reply: ok, replayed 0, how many were taken out
-- or  foreign | bad   as in consume

if #KEYS ~= 1 then return {'bad', 'number of KEYS'} end
if #ARGV < 2 or #ARGV % 2 ~= 0 then return {'bad', 'number of ARGV'} end
for i = 2, #ARGV, 2 do
  if not tonumber(ARGV[i]) then return {'bad', 'score'} end
end
local _, kind = read('ZSCORE', KEYS[1], '')
if kind then return {'foreign', KEYS[1], kind, 'an index'} end
need_right('ZREM', KEYS[1], '')

local gone = 0
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    gone = gone + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return {'ok', '0', digits(gone)}
