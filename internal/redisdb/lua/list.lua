-- ARGV: the user or '', the lower and the upper bound of names, limit, which is at least 1.
-- Returns the name after which the next piece begins, or '' at the end, followed by the sessions.
local index, from, found = BY_NAME, ARGV[2], { '' }
if ARGV[1] ~= '' then index = OF_USER .. ARGV[1] end
local limit = tonumber(ARGV[4])
repeat
  local names = redis.call('ZRANGE', index, from, ARGV[3], 'BYLEX', 'LIMIT', 0, limit)
  for _, name in ipairs(names) do
    local text = redis.call('GET', SESSION .. name:sub(-32))
    if text then found[#found + 1] = text end
    from = '(' .. name
    if #found > limit then
      found[1] = name
      return found
    end
  end
until #names < limit
return found
