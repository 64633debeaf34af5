-- One node purges at a time. LEASE holds its name, and expires when that node hasn't purged for longer than one run can take,
-- because it has stopped. Two nodes that purge at the same time do no harm, since each run is one step.
local function acquire_lease(me)
  local holder = redis.call('GET', LEASE)
  if holder and holder ~= me then return false end
  redis.call('SET', LEASE, me, 'PX', 6000)
  return true
end

-- Gives the lease up if there was less to purge than the limit.
local function release_lease(found, limit)
  if found == 0 or found < tonumber(limit) then redis.call('DEL', LEASE) end
end
