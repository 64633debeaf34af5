package redisserver

import "syscall"

// endWithParent makes the system kill the server when this process dies.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
