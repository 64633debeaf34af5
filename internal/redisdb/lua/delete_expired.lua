-- ARGV: now, limit, the node's name. Returns how many sessions were deleted: 0 while another node has the lease. Redis may have
-- expired a session by itself before; its index entries are removed here only.
if not acquire_lease(ARGV[3]) then return 0 end
local places = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, place in ipairs(places) do remove(unpack_place(place, 1)) end
release_lease(#places, ARGV[2])
return #places
