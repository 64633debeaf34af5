-- ARGV: now, limit, the node's name. Returns how many are gone: none while another node is at it. A session may have gone
-- on its own by then; its place never does.
if not enter(ARGV[3]) then return 0 end
local places = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, place in ipairs(places) do remove(unpack_place(place, 1)) end
leave(#places, ARGV[2])
return #places
