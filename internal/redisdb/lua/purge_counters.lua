-- ARGV: now, limit, the node's name. Returns how many counters were deleted: 0 while another node has the lease.
if not acquire_lease(ARGV[3]) then return 0 end
local names = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  redis.call('DEL', COUNTER .. name)
  redis.call('ZREM', BY_END, name)
end
release_lease(#names, ARGV[2])
return #names
