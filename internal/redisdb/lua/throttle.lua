-- What the scripts about counters share. A counter is a string of five numbers, the last of which says when it ends.
local COUNTER, BY_END, KEEPER = 'cloakroom:t:', 'cloakroom:tends', 'cloakroom:tkeeper'
