-- ARGV: the session. Returns 0, or 1 if another session has its ID or public ID.
local new = unpack_session(ARGV[1])
if taken(new, nil) then return 1 end
put(new)
return 0
