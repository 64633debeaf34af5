-- ARGV: now, limit. Returns how many counters are gone.
local names = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  redis.call('DEL', COUNTER .. name)
  redis.call('ZREM', BY_END, name)
end
return #names
