-- One node clears away at a time. KEEPER holds who does; it goes by itself when that node hasn't come for longer than a
-- turn can take, because it is gone. That two might be at it for a moment harms nothing: each turn is one step.
local function enter(me)
  local holder = redis.call('GET', KEEPER)
  if holder and holder ~= me then return false end
  redis.call('SET', KEEPER, me, 'PX', 6000)
  return true
end

-- Lets another begin, if there was less to do than fits in a turn.
local function leave(found, limit)
  if found == 0 or found < tonumber(limit) then redis.call('DEL', KEEPER) end
end
