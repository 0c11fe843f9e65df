-- Letters: events that need somebody, of one tenant: a hash of identifier -> JSON.
-- Comes after checks.lua. Nothing here writes but `write_letter` and `remove_letter`.

-- A letter, a table whose values are texts; nil where there is none; or nil and a reply.
local function read_letter(letters, identifier)
  local text, kind = read('HGET', letters, identifier)
  if kind then return nil, {'foreign', letters, kind, 'letters'} end
  if not text then return nil, nil end
  local sound, letter = pcall(cjson.decode, text)
  if not sound or type(letter) ~= 'table' then
    return nil, {'foreign', letters, 'other text', 'letters'}
  end
  return letter, nil
end

-- `lettered` is the index of tenants that have letters, nil where keys are tagged.
local function remove_letter(letters, identifier, lettered, tenant)
  redis.call('HDEL', letters, identifier)
  if lettered and redis.call('EXISTS', letters) == 0 then
    redis.call('ZREM', lettered, tenant)
  end
end

local function write_letter(letters, letter)
  redis.call('HSET', letters, letter.identifier, cjson.encode(letter))
end
