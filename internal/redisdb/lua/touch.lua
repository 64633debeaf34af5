-- ARGV: for each use the ID, and seen and expires in the session's encoding.
for i = 1, #ARGV, 2 do
  local key = SESSION .. ARGV[i]
  local text = redis.call('GET', key)
  if text then
    local s, at, expires = unpack_session(text), struct.unpack('>i8i8', ARGV[i + 1])
    if at > s.seen and at < s.expires then
      redis.call('SETRANGE', key, 17, ARGV[i + 1])
      keep_until(key, expires)
      redis.call('ZADD', BY_END, expires, s.place)
    end
  end
end
