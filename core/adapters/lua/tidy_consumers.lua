-- tidy_consumers: forget workers that are long gone and have nothing any more.
--
-- KEYS[1]  stream  queue
-- ARGV[1]  consumer group
-- ARGV[2]  ms for which a worker has asked for nothing
-- Reply: ok, how many were forgotten
-- In one step: a worker that was given something meanwhile is kept, and so is that.

local idle = not_negative(ARGV[2])
if not idle then return {'bad', 'ARGV[2]'} end
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return {'ok', '0'} end
local forgotten = 0
for _, each in ipairs(consumers) do
  local consumer = {}
  for i = 1, #each, 2 do consumer[each[i]] = each[i + 1] end
  if consumer.pending == 0 and consumer.idle >= idle then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return {'ok', digits(forgotten)}
