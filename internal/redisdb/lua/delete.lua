-- ARGV: the ID. Returns how many sessions were deleted: 0 or 1.
local text = redis.call('GET', SESSION .. ARGV[1])
if not text then return 0 end
return remove(unpack_session(text))
