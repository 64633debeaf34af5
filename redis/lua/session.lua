-- What all scripts about sessions share; it stands in front of each.
--
-- A session is one string: format (1 byte), version (16), seen (8), expires (8), place, and what scripts don't look at.
-- Its place is all that the indexes know of it: the lengths of name and user (4 each), name, user.
-- Its name is the public ID, escaped and ended so that names sort as public IDs do, and the 32 bytes of the ID.
-- Numbers are big-endian. Lua has doubles only, so seconds beyond 2^53 are compared as such; they are stored as they are.
local SESSION, OF_USER, BY_NAME, BY_END = 'cloakroom:s:', 'cloakroom:u:', 'cloakroom:names', 'cloakroom:ends'

local function unpack_place(text, at)
  local n, u = struct.unpack('>I4I4', text, at)
  local name, user = at + 8, at + 8 + n
  return { place = text:sub(at, user + u - 1), name = text:sub(name, user - 1), user = text:sub(user, user + u - 1),
    id = text:sub(user - 32, user - 1) }
end

local function unpack_session(text)
  local s = unpack_place(text, 34)
  s.text, s.version = text, text:sub(2, 17)
  s.seen, s.expires = struct.unpack('>i8i8', text, 18)
  return s
end

-- The key goes a day after its end by Redis's own clock, and never sooner than in a day: that is cleaning up after a
-- server that is gone, and decides about no session. What ends in thousands of years stays.
local function keep_until(key, expires)
  local ends = math.max(expires, tonumber(redis.call('TIME')[1])) + 86400
  if ends < 1e11 then redis.call('EXPIREAT', key, ends) else redis.call('PERSIST', key) end
end

local function put(s)
  redis.call('SET', SESSION .. s.id, s.text)
  keep_until(SESSION .. s.id, s.expires)
  redis.call('ZADD', BY_NAME, 0, s.name)
  redis.call('ZADD', OF_USER .. s.user, 0, s.name)
  redis.call('ZADD', BY_END, s.expires, s.place)
end

-- Returns 1 if the session itself was still there.
local function remove(s)
  redis.call('ZREM', BY_NAME, s.name)
  redis.call('ZREM', OF_USER .. s.user, s.name)
  redis.call('ZREM', BY_END, s.place)
  return redis.call('DEL', SESSION .. s.id)
end

-- Says whether the ID, or the public ID, is another session's than the one with the ID mine.
local function taken(s, mine)
  if s.id ~= mine and redis.call('EXISTS', SESSION .. s.id) == 1 then return true end
  local public = s.name:sub(1, -33)
  local found = redis.call('ZRANGE', BY_NAME, '[' .. public, '(' .. public:sub(1, -2) .. '\2', 'BYLEX', 'LIMIT', 0, 1)
  return found[1] ~= nil and found[1]:sub(-32) ~= mine
end
