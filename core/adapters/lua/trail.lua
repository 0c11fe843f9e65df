-- The audit trail: one stream a tenant, each entry bound to the one before.
-- Comes after checks.lua in the scripts of operator changes.

local FIRST = string.rep('0', 40) -- previous_hash of a trail's first entry
local FIELDS = {
  'at', 'actor', 'origin', 'action', 'tenant', 'resource', 'period',
  'before', 'after', 'reason', 'bill', 'operation_id',
}

-- What the next entry follows: hash, ms and number of the newest; or nil and a reply.
local function trail_end(audit)
  local kind = redis.call('TYPE', audit).ok
  if kind == 'none' then return {hash = FIRST, ms = 0, number = 0}, nil end
  if kind ~= 'stream' then return nil, {'foreign', audit, kind, 'an audit trail'} end
  local state, info = {}, redis.call('XINFO', 'STREAM', audit)
  for i = 1, #info, 2 do state[info[i]] = info[i + 1] end
  -- Not the newest entry's own id: that entry may have been taken out.
  local ms, number = string.match(state['last-generated-id'], '^(%d+)-(%d+)$')
  local last = {hash = FIRST, ms = tonumber(ms), number = tonumber(number)}
  local newest = state['last-entry']
  if not newest then return last, nil end
  last.hash = nil
  for i = 1, #newest[2], 2 do
    if newest[2][i] == 'hash' then last.hash = newest[2][i + 1] end
  end
  if last.hash then return last, nil end
  return nil, {'foreign', audit, 'entry without hash', 'an audit trail'}
end

-- Nil, or the reply to an undo that cannot be: the entry was undone before, or is none.
-- `entry` is empty where nothing is undone.
local function undone_before(undone, audit, entry)
  if entry == '' then return nil end
  local by, kind = read('HGET', undone, entry)
  if kind then return {'foreign', undone, kind, 'what was undone'} end
  if by then return {'undone', by} end
  if not string.find(entry, '^%d+%-%d+$') then return {'bad', 'undoes'} end
  local found = redis.call('XRANGE', audit, entry, entry)[1]
  -- 01-0 finds 1-0, and would be undone once more under its other name.
  if not found or found[1] ~= entry then return {'bad', 'undoes'} end
  return nil
end

-- Nil, or the reply where an index is a key of another type: a command that failed after
-- others were carried out would leave half of a change done. `indexes` are keys and
-- their types in turn.
local function unfit_index(sequence, indexes)
  local _, broken = read_counter(sequence)
  if broken then return broken end
  for i = 1, #indexes, 2 do
    local kind = redis.call('TYPE', indexes[i]).ok
    if kind ~= 'none' and kind ~= indexes[i + 1] then
      return {'foreign', indexes[i], kind, 'an index'}
    end
  end
  return nil
end

local function need_right_to_undo(undone, entry)
  if entry ~= '' then need_right('HSET', undone, entry, '') end
end

-- Append an entry; returns its id, and the ms in it. `entry` has a string for every
-- name of FIELDS, and in `undoes` the id of the entry it undoes, or an empty one.
local function append(audit, last, entry)
  local ms, number = tonumber(entry.at), 0
  -- The id is hashed, so it is made here; as XADD would, it never goes back.
  if ms <= last.ms then ms, number = last.ms, last.number + 1 end
  local id = digits(ms) .. '-' .. digits(number)
  local values, command = {}, {'XADD', audit, id}
  local function add(name, value)
    values[#values + 1] = value
    command[#command + 1] = name
    command[#command + 1] = value
  end
  for _, name in ipairs(FIELDS) do add(name, entry[name]) end
  if entry.undoes ~= '' then add('undoes', entry.undoes) end
  values[#values + 1] = id
  local hash = redis.sha1hex(last.hash .. '\n' .. joined(values))
  for _, part in ipairs({'previous_hash', last.hash, 'hash', hash}) do
    command[#command + 1] = part
  end
  redis.call(unpack(command))
  return id, digits(ms)
end

local function note_undone(undone, entry, id)
  if entry ~= '' then redis.call('HSET', undone, entry, id) end
end

-- What a repeated id must ask for again. An undo is the same one whatever it takes.
local function asked_for(undoes, parts)
  if undoes ~= '' then return joined({'undo', undoes}) end
  return joined(parts)
end

-- An override's limit and end as the trail writes them.
local function in_words(limit, moment)
  if not limit then return 'none' end
  if not moment or moment == '' then return limit end
  return limit .. ' until ' .. moment
end
