-- ARGV: for each counter its key, the expected value, the new value, and when that ends. '' is a missing counter.
-- Returns nothing, or the present values of all counters if one doesn't have the expected value.
local now, same = {}, true
for i = 1, #ARGV, 4 do
  local value = redis.call('GET', COUNTER .. ARGV[i]) or ''
  now[#now + 1] = value
  same = same and value == ARGV[i + 1]
end
if not same then return now end
local clock = tonumber(redis.call('TIME')[1])
for i = 1, #ARGV, 4 do
  local name, value, ends = ARGV[i], ARGV[i + 2], tonumber(ARGV[i + 3])
  if value == '' then
    redis.call('DEL', COUNTER .. name)
    redis.call('ZREM', BY_END, name)
  else
    redis.call('SET', COUNTER .. name, value)
    -- As with sessions, Redis's own clock only cleans up after a server that has been removed.
    local forget = math.max(ends, clock) + 86400
    if forget < 1e11 then redis.call('EXPIREAT', COUNTER .. name, forget) end
    redis.call('ZADD', BY_END, ends, name)
  end
end
return {}
