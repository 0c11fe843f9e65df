-- Records of refusals: one capped stream a tenant. Comes after checks.lua.
--
-- At most so many are written of one tenant in one second of the server's clock: a
-- flood of refusals costs one read each. A record's id is its second, in ms, and its
-- number in it. A user without the rights, or a key of another type, leaves none: a
-- refusal is answered all the same.

local function make_refusals()
  local MOST_A_SECOND, MOST_KEPT, KEPT_MS = 32, 1000, 35 * 86400000

  local refusal_streams, refusals_noted = {}, {}

  local function refusal_stream(key)
    local stream = refusal_streams[key]
    if stream then return stream end
    stream = {second = 0, number = -1}
    refusal_streams[key] = stream
    stream.closed = not (redis.acl_check_cmd('XREVRANGE', key, '+', '-')
      and redis.acl_check_cmd('XADD', key, '*', 'at', '0')
      and redis.acl_check_cmd('PEXPIRE', key, '1'))
    if stream.closed then return stream end
    local newest, kind = read('XREVRANGE', key, '+', '-', 'COUNT', '1')
    if kind then
      stream.closed = true
    elseif newest[1] then
      local second, number = string.match(newest[1][1], '^(%d+)-(%d+)$')
      stream.second, stream.number = tonumber(second), tonumber(number)
    end
    return stream
  end

  -- Remember a refusal; `fields` are names and values in turn.
  local function note_refusal(key, now, fields)
    local stream = refusal_stream(key)
    if stream.closed then return end
    local second = now - now % 1000
    -- The clock may have gone back; ids never do.
    if second > stream.second then stream.second, stream.number = second, -1 end
    if stream.number + 1 >= MOST_A_SECOND then return end
    stream.number = stream.number + 1
    local id = digits(stream.second) .. '-' .. digits(stream.number)
    refusals_noted[#refusals_noted + 1] = {key = key, id = id, fields = fields}
  end

  local function write_refusals()
    for _, noted in ipairs(refusals_noted) do
      redis.call('XADD', noted.key, 'MAXLEN', '~', digits(MOST_KEPT), noted.id,
        unpack(noted.fields))
      redis.call('PEXPIRE', noted.key, digits(KEPT_MS))
    end
  end

  return {note = note_refusal, write = write_refusals}
end
