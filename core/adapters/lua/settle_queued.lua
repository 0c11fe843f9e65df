-- settle_queued: note what became of meter events that were taken from a queue, and take
-- them out of it. Each once: whoever settles an event that is settled changes nothing,
-- but that an event which was given up and turns out to be delivered loses its letter.
--
-- KEYS[1]  stream  queue
-- KEYS[2]  hash    what is noted of events that were sent: entry id → ms and customer
-- then, if ARGV[2] is 1:  stream  delivery log
--                         zset    tenants by the ms of their last letter
-- then for each of the n events:  hash  letters of its tenant
-- ARGV[1]  consumer group
-- ARGV[2]  1: write log and index; 0: do not
-- ARGV[3]  lines the log is cut to, about
-- ARGV[4]  n, 1..64
-- then for each event: entry id, delivered | dead | ambiguous, identifier, tenant, the
--   letter (a JSON object; empty if delivered), m, and m fields and values of the log's
--   line (m 0: none)
-- Replies (every element a string):
--   ok, then for each event:  settled   it was in the queue
--                             found     it was settled as dead or ambiguous, and that is
--                                       taken back: it was delivered
--                             stale     it was settled before; nothing was changed
--   foreign | bad   as in consume

local group, indexed, log_lines = ARGV[1], ARGV[2] == '1', not_negative(ARGV[3])
local count = not_negative(ARGV[4])
if not indexed and ARGV[2] ~= '0' then return {'bad', 'ARGV[2]'} end
if not log_lines then return {'bad', 'ARGV[3]'} end
if not count or count < 1 or count > 64 then return {'bad', 'number of events'} end
local queue, sent = KEYS[1], KEYS[2]
local log, lettered
if indexed then log, lettered = KEYS[3], KEYS[4] end
local letters_at = indexed and 4 or 2
if #KEYS ~= letters_at + count then return {'bad', 'number of KEYS'} end

local function fit(key, wanted, what)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' or kind == wanted then return nil end
  return {'foreign', key, kind, what}
end

local events, at = {}, 4
for i = 1, count do
  local event = {
    id = ARGV[at + 1], verdict = ARGV[at + 2], identifier = ARGV[at + 3],
    tenant = ARGV[at + 4], letter = ARGV[at + 5], letters = KEYS[letters_at + i],
    line = {},
  }
  local size = not_negative(ARGV[at + 6])
  if not string.find(event.id or '', '^%d+%-%d+$') then return {'bad', 'entry id'} end
  if event.verdict ~= 'delivered' and event.verdict ~= 'dead'
    and event.verdict ~= 'ambiguous' then
    return {'bad', 'verdict'}
  end
  if (event.verdict == 'delivered') ~= (event.letter == '') then
    return {'bad', 'letter'}
  end
  if not size or size % 2 ~= 0 or #ARGV < at + 6 + size then return {'bad', 'line'} end
  event.line = {unpack(ARGV, at + 7, at + 6 + size)}
  at = at + 6 + size
  local problem = fit(event.letters, 'hash', 'letters')
  if problem then return problem end
  need_right('HSET', event.letters, event.identifier, '')
  need_right('HGET', event.letters, event.identifier)
  need_right('HDEL', event.letters, event.identifier)
  events[i] = event
end
if at ~= #ARGV then return {'bad', 'number of ARGV'} end
local problem = fit(queue, 'stream', 'a queue of meter events')
  or fit(sent, 'hash', 'what is noted of events that were sent')
  or indexed and fit(log, 'stream', 'the delivery log')
  or indexed and fit(lettered, 'zset', 'an index')
if problem then return problem end
need_right('XACK', queue, group, '1-1')
need_right('XDEL', queue, '1-1')
need_right('HDEL', sent, '1-1')
if indexed then
  need_right('XADD', log, '*', 'at', '0')
  need_right('ZADD', lettered, '1', '')
  need_right('ZREM', lettered, '')
end

-- Nothing above writes, and nothing below fails; but the log's ids may be used up by
-- somebody, and then a line is missing.
local now = digits(clock_ms())
local answer = {'ok'}
for i, event in ipairs(events) do
  local acknowledged = redis.call('XACK', queue, group, event.id)
  local there = acknowledged + redis.call('XDEL', queue, event.id) > 0
  local became = there and 'settled' or 'stale'
  redis.call('HDEL', sent, event.id)
  if there then
    if event.letter ~= '' then
      redis.call('HSET', event.letters, event.identifier, event.letter)
      if indexed then redis.call('ZADD', lettered, now, event.tenant) end
    end
  elseif event.verdict == 'delivered' then
    local letter = read_letter(event.letters, event.identifier)
    if letter and (letter.state == 'dead' or letter.state == 'ambiguous') then
      remove_letter(event.letters, event.identifier, lettered, event.tenant)
      became = 'found'
    end
  end
  if became ~= 'stale' and indexed and #event.line > 0 then
    redis.pcall('XADD', log, 'MAXLEN', '~', digits(log_lines), '*', unpack(event.line))
  end
  answer[i + 1] = became
end
return answer
