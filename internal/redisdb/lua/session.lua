-- Common to all scripts about sessions, and prepended to each.
--
-- A session is one string: format (1 byte), version (16), seen (8), expires (8), place, and fields that scripts don't read.
-- The place is what the indexes hold: the lengths of name and user (4 each), name, user.
-- The name is the public ID, escaped and terminated so that names sort like public IDs, and the 32 bytes of the ID.
-- Numbers are big-endian. Lua has doubles only, so seconds beyond 2^53 are compared as doubles; they are stored exactly.
local SESSION, OF_USER, BY_NAME, BY_END = 'cloakroom:s:', 'cloakroom:u:', 'cloakroom:names', 'cloakroom:ends'
local LEASE = 'cloakroom:keeper'

-- After a rotation the former ID leads to the public ID until the session ends. FORMER is a hash from former IDs to public IDs,
-- and FORMER_OF .. public ID is the set of the former IDs.
local FORMER, FORMER_OF = 'cloakroom:former', 'cloakroom:f:'

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

-- The key expires a day after the session's end by Redis's own clock, and in a day at the earliest. This only cleans up after a
-- server that has been removed; it decides about no session. A key that would expire in thousands of years doesn't expire.
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

-- Returns the public ID in a name, escaped and terminated.
local function public_in(name) return name:sub(1, -33) end

-- Returns the name of the session with a public ID, or nil.
local function named(public)
  return redis.call('ZRANGE', BY_NAME, '[' .. public, '(' .. public:sub(1, -2) .. '\2', 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- Stores that a session had an ID before.
local function retire(id, public)
  redis.call('HSET', FORMER, id, public)
  redis.call('SADD', FORMER_OF .. public, id)
end

local function forget_retired(public)
  for _, id in ipairs(redis.call('SMEMBERS', FORMER_OF .. public)) do
    if redis.call('HGET', FORMER, id) == public then redis.call('HDEL', FORMER, id) end
  end
  redis.call('DEL', FORMER_OF .. public)
end

-- Removes a session, but not its former IDs. Returns 1 if its key still existed.
local function take(s)
  redis.call('ZREM', BY_NAME, s.name)
  redis.call('ZREM', OF_USER .. s.user, s.name)
  redis.call('ZREM', BY_END, s.place)
  return redis.call('DEL', SESSION .. s.id)
end

local function remove(s)
  forget_retired(public_in(s.name))
  return take(s)
end

-- Returns whether a session other than the one with the ID mine has the ID or the public ID.
local function taken(s, mine)
  if s.id ~= mine and redis.call('EXISTS', SESSION .. s.id) == 1 then return true end
  local name = named(public_in(s.name))
  return name ~= nil and name:sub(-32) ~= mine
end
