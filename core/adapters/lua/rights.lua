-- rights: which commands the calling user may run; writes nothing.
--
-- KEYS[1]  any key, which says to a cluster who is asked
-- ARGV     for each command the number of its words, and the words
-- Replies with 1 or 0 for each command.

local may, at = {}, 1
while ARGV[at] do
  local words = tonumber(ARGV[at])
  may[#may + 1] = redis.acl_check_cmd(unpack(ARGV, at + 1, at + words)) and 1 or 0
  at = at + words + 1
end
return may
