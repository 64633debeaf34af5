//go:build race

package gateway_test

// raceDetector says that the tests are built with the race detector.
const raceDetector = true
