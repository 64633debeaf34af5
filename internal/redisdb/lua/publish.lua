#!lua flags=allow-oom
-- Sends a message. A script that may write, as this one says by leaving out a flag, is refused by a replica: a node that
-- hears its own messages there would believe to hear all.
return redis.call('PUBLISH', ARGV[1], ARGV[2])
