-- ARGV: now, limit. Returns how many are gone. A session may have gone on its own by then; its place never does.
local places = redis.call('ZRANGE', BY_END, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, place in ipairs(places) do remove(unpack_place(place, 1)) end
return #places
