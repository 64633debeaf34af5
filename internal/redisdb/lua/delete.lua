-- ARGV: the ID.
local text = redis.call('GET', SESSION .. ARGV[1])
if text then remove(unpack_session(text)) end
