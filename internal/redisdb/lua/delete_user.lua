-- ARGV: the user, and the ID of the session to keep, or ''. Returns how many sessions were deleted.
local n = 0
for _, name in ipairs(redis.call('ZRANGE', OF_USER .. ARGV[1], 0, -1)) do
  local id = name:sub(-32)
  if id ~= ARGV[2] then
    local place = struct.pack('>I4I4', #name, #ARGV[1]) .. name .. ARGV[1]
    n = n + remove({ place = place, name = name, user = ARGV[1], id = id })
  end
end
return n
