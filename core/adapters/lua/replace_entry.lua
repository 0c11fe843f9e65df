-- replace_entry: replace directory entries, each as a whole. An entry whose billing
-- cycle changes notes the one before, until what was used in it has been carried.
--
-- KEYS[i]  hash  directory entry (may not exist); on a cluster there is one
-- ARGV     for each entry the number of its words, and the words: field, value, ...
-- Replies with what is in each entry's cycle_before then; empty: nothing.

local function clock_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local PLACE = {anchor = 1, interval = 2, interval_count = 3}

-- Of changes that nobody has carried yet none is forgotten.
local function cycles_before(key, cycle)
  if redis.call('TYPE', key).ok ~= 'hash' then return '' end
  local old = redis.call(
    'HMGET', key, 'anchor', 'interval', 'interval_count', 'cycle_before')
  local before, noted = {}, old[4] or ''
  for i = 1, 3 do before[i] = old[i] or '' end
  before = table.concat(before, ' ')
  if before == table.concat(cycle, ' ') then return noted end
  if noted ~= '' then noted = noted .. ',' end
  return noted .. string.format('%.0f', clock_ms()) .. ' ' .. before
end

local at, found = 1, {}
for i, key in ipairs(KEYS) do
  local words = {unpack(ARGV, at + 1, at + tonumber(ARGV[at]))}
  at = at + 1 + #words
  local cycle = {'', '', ''}
  for n = 1, #words, 2 do
    local place = PLACE[words[n]]
    if place then cycle[place] = words[n + 1] end
  end
  found[i] = cycles_before(key, cycle)
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(words))
  if found[i] ~= '' then redis.call('HSET', key, 'cycle_before', found[i]) end
end
return found
