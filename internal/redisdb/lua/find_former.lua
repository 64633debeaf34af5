-- ARGV: an ID. Returns the session that has it and the one that had it before a rotation.
local found = {}
local function add(id)
  local text = redis.call('GET', SESSION .. id)
  if text then found[#found + 1] = text end
end
add(ARGV[1])
local public = redis.call('HGET', FORMER, ARGV[1])
local name = public and named(public)
if name and name:sub(-32) ~= ARGV[1] then add(name:sub(-32)) end
return found
