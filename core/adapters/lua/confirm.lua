-- confirm: write down what Stripe's summaries had of counters when they last agreed.
--
-- KEYS     n billing records, of any tenants (with tagged keys: of one)
-- ARGV     for each 2: units that Stripe has, number of the last event that was settled
--          by then
-- Reply: ok, replayed 0, server ms, then for each record 1, or 0 where nothing was
--   written: there is none, it is damaged, or a later event was confirmed before
-- or  bad   as in consume

if #KEYS < 1 or #ARGV ~= 2 * #KEYS then return {'bad', 'number of ARGV'} end
local now = digits(clock_ms())
for i, key in ipairs(KEYS) do
  if not whole(ARGV[2 * i - 1]) then return {'bad', 'units'} end
  if not not_negative(ARGV[2 * i]) then return {'bad', 'number'} end
  need_right('HSET', key, 'confirmed', '0')
end

local reply = {'ok', '0', now}
for i, key in ipairs(KEYS) do
  local number = not_negative(ARGV[2 * i])
  local found, kind = read('HMGET', key, 'seq', 'confirmed_seq')
  local known = not kind and found[1] and whole(found[1])
  local before = not kind and found[2] and whole(found[2]) or 0
  local newer = known and number <= known and number >= before
  if newer then
    redis.call('HSET', key, 'confirmed', ARGV[2 * i - 1], 'confirmed_at', now,
      'confirmed_seq', digits(number))
  end
  reply[i + 3] = newer and '1' or '0'
end
return reply
