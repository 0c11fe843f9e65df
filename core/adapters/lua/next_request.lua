-- next_request: look at the oldest request of a person; it stays where it is.
--
-- KEYS[1]  list  the person's requests
-- ARGV[1]  bytes of a request that are read at most
-- ARGV[2]  requests that may wait: newer ones are dropped
-- Replies (every element a string):
--   none, server's ms
--   next, server's ms, sha1 of the request, its bytes, requests dropped, the request
--     (empty where it is longer than what is read)
--   foreign | bad  as in consume

local longest, most = not_negative(ARGV[1]), not_negative(ARGV[2])
if #ARGV ~= 2 or not longest or not most or most < 1 then return {'bad', 'ARGV'} end
if #KEYS ~= 1 then return {'bad', 'number of KEYS'} end
local waiting, kind = read('LLEN', KEYS[1])
if kind then return {'foreign', KEYS[1], kind, "a person's requests"} end
local now = digits(clock_ms())
if waiting == 0 then return {'none', now} end
local dropped = 0
if waiting > most then
  need_right('LTRIM', KEYS[1], '0', '0')
  redis.call('LTRIM', KEYS[1], '0', digits(most - 1))
  dropped = waiting - most
end
local first = redis.call('LINDEX', KEYS[1], '0')
local text = #first <= longest and first or ''
return {'next', now, redis.sha1hex(first), digits(#first), digits(dropped), text}
