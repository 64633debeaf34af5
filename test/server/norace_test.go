//go:build !race

package server_test

// raceDetector says that tests and programs are built with the race detector, which takes several times the memory.
const raceDetector = false
