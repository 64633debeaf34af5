#!lua flags=allow-oom
-- Sends a message. Without the flag no-writes a replica refuses this script. On a replica a node would receive its own messages
-- and wrongly conclude that it receives all.
return redis.call('PUBLISH', ARGV[1], ARGV[2])
