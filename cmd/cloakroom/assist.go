package main

import (
	"fmt"
	"os"

	"github.com/cloakroom-auth/cloakroom/password"
)

// assist is the command with which serve starts the process that hashes passwords. It is for nobody else.
const assist = "hash-passwords"

// assistants returns the path and arguments of that process; none if this program can't say where it lies.
func assistants() []string {
	path, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{path, assist}
}

// assistServer is that process. It returns the exit code.
func assistServer(args []string) int {
	if err := password.Assist(args); err != nil {
		fmt.Fprintln(os.Stderr, "cloakroom:", err)
		return exitFailed
	}
	return exitOK
}
