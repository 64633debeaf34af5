-- ARGV: now. Returns how many sessions have not expired by then.
return redis.call('ZCOUNT', BY_END, '(' .. ARGV[1], '+inf')
