-- Calls each command that the scripts use, on a key of its own, and returns the server's errors.
local KEY, against = 'cloakroom:try', {}
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then against[#against + 1] = answer.err end
end
try('TIME')
try('DEL', KEY)
try('SET', KEY, 'tried', 'PX', 6000)
try('GET', KEY)
try('MGET', KEY)
try('SETRANGE', KEY, 0, 'T')
try('EXISTS', KEY)
try('EXPIREAT', KEY, 100000000000)
try('PERSIST', KEY)
try('DEL', KEY)
try('HSET', KEY, 'field', 'value')
try('HGET', KEY, 'field')
try('HDEL', KEY, 'field')
try('SADD', KEY, 'member')
try('SMEMBERS', KEY)
try('DEL', KEY)
try('ZADD', KEY, 0, 'member')
try('ZRANGE', KEY, '-', '+', 'BYLEX', 'LIMIT', 0, 1)
try('ZREM', KEY, 'member')
return against
