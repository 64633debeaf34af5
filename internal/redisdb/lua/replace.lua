-- ARGV: ID and version of the old session, the new session. Returns 0, or why it failed: 1 exists, 2 missing, 3 changed.
local text = redis.call('GET', SESSION .. ARGV[1])
if not text then return 2 end
local old, new = unpack_session(text), unpack_session(ARGV[3])
if old.version ~= ARGV[2] then return 3 end
if taken(new, old.id) then return 1 end
if new.id == old.id then
  local seen, expires = new.text:sub(18, 25), new.text:sub(26, 33)
  if old.seen > new.seen then seen = old.text:sub(18, 25) end
  if old.expires > new.expires then expires = old.text:sub(26, 33) end
  new = unpack_session(new.text:sub(1, 17) .. seen .. expires .. new.text:sub(34))
end
if public_in(new.name) ~= public_in(old.name) then
  remove(old)
else
  take(old)
  if new.id ~= old.id then retire(old.id, public_in(old.name)) end
end
put(new)
return 0
