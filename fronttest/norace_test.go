//go:build !race

package fronttest_test

const raceDetector = false
