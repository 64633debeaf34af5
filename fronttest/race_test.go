//go:build race

package fronttest_test

// raceDetector says that tests and program are built with the race detector, which takes several times the memory.
const raceDetector = true
