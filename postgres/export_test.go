package postgres

const LockPurge = lockPurge
