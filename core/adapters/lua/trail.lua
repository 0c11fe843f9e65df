-- The audit trail: one stream a tenant, each entry bound to the one before.
-- Comes after checks.lua in the scripts of operator changes.

local FIRST = string.rep('0', 40) -- previous_hash of a trail's first entry
local FIELDS = {
  'at', 'actor', 'origin', 'action', 'tenant', 'resource', 'period',
  'before', 'after', 'reason', 'bill', 'operation_id',
}

-- Read the hash of the newest entry, or nil and a 'foreign' reply.
local function newest_hash(audit)
  local newest, kind = read('XREVRANGE', audit, '+', '-', 'COUNT', '1')
  if kind then return nil, {'foreign', audit, kind, 'an audit trail'} end
  if not newest[1] then return FIRST, nil end
  local fields = newest[1][2]
  for i = 1, #fields, 2 do
    if fields[i] == 'hash' then return fields[i + 1], nil end
  end
  return nil, {'foreign', audit, 'entry without hash', 'an audit trail'}
end

-- Append an entry; returns its id. `entry` has a string for every name of FIELDS.
local function append(audit, previous, entry)
  local values, command = {}, {'XADD', audit, '*'}
  for i, name in ipairs(FIELDS) do
    values[i] = entry[name]
    command[#command + 1] = name
    command[#command + 1] = entry[name]
  end
  local hash = redis.sha1hex(previous .. '\n' .. joined(values))
  for _, part in ipairs({'previous_hash', previous, 'hash', hash}) do
    command[#command + 1] = part
  end
  return redis.call(unpack(command))
end
