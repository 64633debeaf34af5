-- Common to all scripts about counters. A counter is a string of five numbers, the last of which is when it ends.
local COUNTER, BY_END, LEASE = 'cloakroom:t:', 'cloakroom:tends', 'cloakroom:tkeeper'
