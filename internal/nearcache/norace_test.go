//go:build !race

package nearcache_test

// raceDetector says that the tests are built with the race detector, which is slow and allocates on its own account.
const raceDetector = false
