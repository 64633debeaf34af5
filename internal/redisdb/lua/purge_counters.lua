-- ARGV: now, limit, the node's name. Returns how many counters are gone: none while another node is at it.
if not enter(ARGV[3]) then return 0 end
local names = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  redis.call('DEL', COUNTER .. name)
  redis.call('ZREM', BY_END, name)
end
leave(#names, ARGV[2])
return #names
