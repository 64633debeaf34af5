package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cpuTime returns the nanoseconds that the processes have been on a processor, or -1 where Linux doesn't tell.
func cpuTime(pids []int) int64 {
	sum := int64(0)
	for _, pid := range pids {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			return -1
		}
		for _, file := range files {
			text, _ := os.ReadFile(file) // a thread may have ended
			field, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(field, 10, 64)
			sum += n
		}
	}
	return sum
}
