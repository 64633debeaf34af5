//go:build !linux

package redisserver

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
