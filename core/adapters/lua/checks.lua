-- Checks shared by every script; its text comes first in each of them.
-- Nothing here writes.

local LARGEST = 9007199254740992 -- 2^53: beyond it numbers are not exact

-- Read a canonical decimal integer within ±2^53; nil for anything else.
local function whole(text)
  if type(text) ~= 'string' or #text > 17 then return nil end
  if text ~= '0' and not string.find(text, '^-?[1-9]%d*$') then return nil end
  local number = tonumber(text)
  if #text < 16 then return number end
  if number > LARGEST or number < -LARGEST then return nil end
  -- 2^53+1 reads as 2^53: writing it back shows the difference.
  if string.format('%.0f', number) ~= text then return nil end
  return number
end

-- Write an integer exactly; tostring would write 1e+15.
local function digits(number)
  return string.format('%.0f', number)
end

-- An integer as an argument of a command: the server writes small ones as they are, in
-- a third of the time.
local function argument(number)
  if number < 1000000000 and number > -1000000000 then return number end
  return digits(number)
end

local numbers_read = {} -- a script call may bring the same few numbers many times

local function not_negative(text)
  local known = numbers_read[text]
  if known then return known end
  local number = whole(text)
  if not number or number < 0 then return nil end
  numbers_read[text] = number
  return number
end

-- Call a command that reads; a key of another type is nil plus its type's name.
local function read(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    if not string.find(answer.err, 'WRONGTYPE', 1, true) then error(answer.err) end
    return nil, redis.call('TYPE', key).ok
  end
  return answer, nil
end

-- Read a counter: its value (0 where there is none), or nil and a 'broken' reply.
local function read_counter(key)
  local raw, kind = read('GET', key)
  if kind then return nil, {'broken', key, kind, ''} end
  if not raw then return 0, nil end
  local value = whole(raw)
  if not value then return nil, {'broken', key, 'string', string.sub(raw, 1, 64)} end
  return value, nil
end

-- Stop before the first write when the caller's rights would stop a later one.
local function need_right(...)
  if not redis.acl_check_cmd(...) then
    local command, key = ...
    error('NOPERM ' .. command .. ' on ' .. key)
  end
end

local function clock_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The reply to a repeated id: the first one, or 'reused' for another request.
-- `packed` is what `keep` wrote.
local function first_answer(key, request)
  local packed, kind = read('GET', key)
  if kind then return {'foreign', key, kind, 'what is kept of an id'} end
  if not packed then return nil end
  local sound, kept = pcall(cmsgpack.unpack, packed)
  if not sound or type(kept) ~= 'table' or #kept ~= 2 then
    return {'foreign', key, 'other text', 'what is kept of an id'}
  end
  if kept[1] ~= request then return {'reused'} end
  kept[2][2] = '1'
  return kept[2]
end

local function keep(key, request, answer, seconds)
  redis.call('SET', key, cmsgpack.pack({request, answer}), 'EX', seconds)
end

-- A text no two different lists share: each part is preceded by its length.
local function joined(parts)
  local out = {}
  for i, part in ipairs(parts) do out[i] = #part .. ':' .. part end
  return table.concat(out, '\n')
end

local function note_change(sequence, changed, tenant)
  redis.call('ZADD', changed, redis.call('INCR', sequence), tenant)
end
