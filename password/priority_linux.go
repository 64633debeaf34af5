package password

import "golang.org/x/sys/unix"

// lowerPriority makes the present thread give way to all others. It is a kindness to other requests: without it hashes
// are as right as with it, so an error is ignored.
func lowerPriority() {
	const nice = 10
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
}
