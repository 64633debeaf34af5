package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cpuTime returns the processor time of the processes and their descendants in nanoseconds, or -1 if it is not known.
func cpuTime(pids []int) int64 {
	sum := int64(0)
	for pid := range family(pids) {
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

// family returns the processes and their descendants.
func family(pids []int) map[int]bool {
	all := map[int]bool{}
	for len(pids) > 0 {
		pid := pids[0]
		pids = pids[1:]
		if all[pid] {
			continue
		}
		all[pid] = true
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is a good one
		for _, list := range lists {
			text, _ := os.ReadFile(list) // a thread may have ended
			for _, field := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return all
}
