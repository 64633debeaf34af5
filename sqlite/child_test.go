package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// children are the functions of this test binary when a test starts it as another process.
var children = map[string]func(ctx context.Context, path string) error{
	"open":  childOpens,
	"echo":  childEchoes,
	"trade": childTrades,
}

const childVariable = "CLOAKROOM_TEST_CHILD"

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := children[name](context.Background(), os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is another process that uses a database.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child, which is killed when the test ends.
func start(t *testing.T, name, path string, prepare ...func(*exec.Cmd)) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	for _, p := range prepare {
		p(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a child: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &child{t, cmd, in, bufio.NewReader(out)}
}

// tell sends a line to the child and returns its answer.
func (c *child) tell(line string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		c.t.Fatal(err)
	}
	answer, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return answer[:len(answer)-1]
}

// end lets the child end, and fails the test if it ends with an error.
func (c *child) end() {
	c.t.Helper()
	c.in.Close()
	io.Copy(io.Discard, c.out)
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatalf("the child: %v", err)
	}
}

// childOpens opens the database on command, and closes it.
func childOpens(ctx context.Context, path string) error {
	io.ReadAll(os.Stdin)
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	return db.Close()
}
