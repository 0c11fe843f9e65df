-- write_alerts: change some of a tenant's alerts and deliveries, all or none of them.
--
-- KEYS[1]  hash  the tenant's alerts and deliveries, JSON
-- then, if ARGV[1] is 1:  zset  tenants that have an alert which is not over
--                         zset  tenants by their last change
--                         zset  tenants by when a delivery is tried next
-- ARGV[1]  1: write the three indexes too; 0: do not
-- ARGV[2]  tenant; empty for what is no tenant's
-- ARGV[3]  ms of the change
-- ARGV[4]  ms at which the hash expires, unless it is kept longer already
-- ARGV[5..]  for each field: its name, the version it is changed from (0: it is not
--            there), and its new JSON, or empty to remove it
-- Replies (every element a string):
--   ok, 0, alerts that are not over, ms at which a delivery is tried next or empty
--   conflict, field      it has another version; nothing written
--   foreign | bad        as in consume

local MOST = 999 -- fields of a call
local key, indexed, tenant = KEYS[1], ARGV[1] == '1', ARGV[2]
local at, expires = not_negative(ARGV[3]), not_negative(ARGV[4])
if #KEYS ~= (indexed and 4 or 1) then return {'bad', 'number of KEYS'} end
if (#ARGV - 4) % 3 ~= 0 or #ARGV > 4 + 3 * MOST then return {'bad', 'number of ARGV'} end
if not at then return {'bad', 'ARGV[3]'} end
if not expires then return {'bad', 'ARGV[4]'} end

local function entry(text)
  local sound, found = pcall(cjson.decode, text)
  if sound and type(found) == 'table' then return found end
  return {}
end

local held, kind = read('HGETALL', key)
if kind then return {'foreign', key, kind, 'alerts'} end
local fields = {}
for i = 1, #held, 2 do fields[held[i]] = held[i + 1] end
for i = 5, #ARGV, 3 do
  local known = fields[ARGV[i]]
  local version = known and entry(known).v or 0
  if type(version) ~= 'number' then version = 0 end
  if digits(version) ~= ARGV[i + 1] then return {'conflict', ARGV[i]} end
end
for i = 2, #KEYS do
  local index = redis.call('TYPE', KEYS[i]).ok
  if index ~= 'none' and index ~= 'zset' then
    return {'foreign', KEYS[i], index, 'an index'}
  end
end
need_right('HSET', key, 'a:', '')
need_right('HDEL', key, 'a:')
need_right('PEXPIREAT', key, '1')
for i = 2, #KEYS do
  need_right('ZADD', KEYS[i], '1', tenant)
  need_right('ZREM', KEYS[i], tenant)
end

for i = 5, #ARGV, 3 do
  local field, text = ARGV[i], ARGV[i + 2]
  if text == '' then
    redis.call('HDEL', key, field)
    fields[field] = nil
  else
    redis.call('HSET', key, field, text)
    fields[field] = text
  end
end
if redis.call('PEXPIRETIME', key) < expires then
  redis.call('PEXPIREAT', key, digits(expires))
end

local live, due, first = 0, nil, {} -- of each alert the oldest: the others wait for it
for field, text in pairs(fields) do
  local found, sort = entry(text), string.sub(field, 1, 2)
  if sort == 'a:' and found.state ~= 'resolved' then live = live + 1 end
  local waits = sort == 'd:' and found.state == 'waiting'
  if waits and type(found.next_at) == 'number' and type(found.created_at) == 'number' then
    local alert = tostring(found.alert)
    local other = first[alert]
    local later = other and (other.created_at < found.created_at
      or (other.created_at == found.created_at and other.field < field))
    found.field = field
    if not later then first[alert] = found end
  end
end
for _, found in pairs(first) do
  if not due or found.next_at < due then due = found.next_at end
end
if indexed then
  if live > 0 then
    redis.call('ZADD', KEYS[2], digits(at), tenant)
  else
    redis.call('ZREM', KEYS[2], tenant)
  end
  redis.call('ZADD', KEYS[3], digits(at), tenant)
  if due then
    redis.call('ZADD', KEYS[4], digits(due), tenant)
  else
    redis.call('ZREM', KEYS[4], tenant)
  end
end
return {'ok', '0', digits(live), due and digits(due) or ''}
