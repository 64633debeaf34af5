//go:build race

package fronttest_test

// raceDetector says that the tests are built with the race detector.
const raceDetector = true
