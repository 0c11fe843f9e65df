-- settle_request: one step of a request, whole or not at all, by one worker of several.
--
-- KEYS[1]  list    requests of the person whose request this is a step of
-- KEYS[2]  hash    requests that wait: person:id -> what is kept of it
-- KEYS[3]  string  the last answer to the request, for a repeat of it
-- KEYS[4]  stream  answers to who asked for the change
-- KEYS[5]  stream  answers to who decided; may be KEYS[4]
-- ARGV[1]  sha1 that the list's first element has to have; empty: not looked at
-- ARGV[2]  1: take that element off the list
-- ARGV[3]  field of KEYS[2]; empty: not looked at
-- ARGV[4]  what has to be in it; empty: nothing
-- ARGV[5]  what shall be in it; empty: nothing
-- ARGV[6]  answer for KEYS[4]; empty: none
-- ARGV[7]  answer for KEYS[5]; empty: none
-- ARGV[8]  1: ARGV[6] is the last answer, and kept in KEYS[3]
-- ARGV[9]  answers that a stream keeps, about
-- ARGV[10] seconds for which streams are kept
-- ARGV[11] seconds for which the last answer is kept
-- Replies:
--   ok
--   moved    another worker has dealt with the list's first element; nothing written
--   changed  ARGV[4] is not what is there; nothing written
--   foreign | bad  as in consume

local most, stream_s = not_negative(ARGV[9]), not_negative(ARGV[10])
local last_s = not_negative(ARGV[11])
local field, before, after = ARGV[3], ARGV[4], ARGV[5]
if #ARGV ~= 11 then return {'bad', 'number of ARGV'} end
if #KEYS ~= 5 then return {'bad', 'number of KEYS'} end
if not most or most < 1 or not stream_s or stream_s < 1 or not last_s or last_s < 1 then
  return {'bad', 'what is kept'}
end

local function unlike(key, wanted, what)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' or kind == wanted then return nil end
  return {'foreign', key, kind, what}
end

local foreign = unlike(KEYS[1], 'list', "a person's requests")
  or unlike(KEYS[2], 'hash', 'what waits')
  or unlike(KEYS[3], 'string', 'an answer')
  or unlike(KEYS[4], 'stream', 'answers')
  or unlike(KEYS[5], 'stream', 'answers')
if foreign then return foreign end
if ARGV[1] ~= '' then
  local first = redis.call('LINDEX', KEYS[1], '0')
  if not first or redis.sha1hex(first) ~= ARGV[1] then return {'moved'} end
end
if field ~= '' and (redis.call('HGET', KEYS[2], field) or '') ~= before then
  return {'changed'}
end

need_right('LPOP', KEYS[1])
need_right('HSET', KEYS[2], 'a', 'b')
need_right('HDEL', KEYS[2], 'a')
need_right('SET', KEYS[3], '', 'EX', '1')
for i = 4, 5 do
  need_right('XADD', KEYS[i], '*', 'answer', '')
  need_right('EXPIRE', KEYS[i], '1')
end

local function answer(key, text)
  if text == '' then return end
  redis.call('XADD', key, 'MAXLEN', '~', digits(most), '*', 'answer', text)
  redis.call('EXPIRE', key, digits(stream_s))
end

if ARGV[1] ~= '' and ARGV[2] == '1' then redis.call('LPOP', KEYS[1]) end
if field ~= '' and after ~= before then
  if after == '' then redis.call('HDEL', KEYS[2], field)
  else redis.call('HSET', KEYS[2], field, after) end
end
answer(KEYS[4], ARGV[6])
answer(KEYS[5], ARGV[7])
if ARGV[8] == '1' then
  redis.call('SET', KEYS[3], ARGV[6], 'EX', digits(last_s))
end
return {'ok'}
