//go:build !linux

package password

// lowerPriority does nothing: elsewhere a priority is the process's.
func lowerPriority() {}
