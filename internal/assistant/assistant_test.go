//go:build unix

package assistant_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
)

// TestMain lets this program be the process that is asked, one that goes wrong, and one that asks.
func TestMain(m *testing.M) {
	role := map[string]func([]string) int{"assist": assist, "ask": ask}
	if len(os.Args) > 1 && role[os.Args[1]] != nil {
		os.Exit(role[os.Args[1]](os.Args[2:]))
	}
	os.Exit(m.Run())
}

// assist says the password again, in other ways for some.
func assist(args []string) int {
	err := assistant.Serve(args, func(q assistant.Question) (assistant.Answer, error) {
		switch q.Password {
		case "environment":
			return assistant.Answer{Encoded: strings.Join(os.Environ(), " ")}, nil
		case "fail":
			return assistant.Answer{}, errors.New("no such hash")
		case "die":
			os.Exit(3)
		case "work":
			for end := cpuTime() + 50*time.Millisecond; cpuTime() < end; {
			}
		case "slow":
			time.Sleep(300 * time.Millisecond)
		}
		return assistant.Answer{Encoded: q.Password, Match: q.Kind == assistant.Verify, Spent: int64(len(q.Password))}, nil
	})
	if err != nil {
		return 1
	}
	return 0
}

// cpuTime is what this process has had of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ask starts a process, says which, and waits to be killed.
func ask([]string) int {
	p := &assistant.Process{Program: []string{os.Args[0], "assist"}}
	if _, err := p.Ask(question("x")); err != nil {
		return 1
	}
	fmt.Println(p.PID())
	time.Sleep(time.Minute)
	return 1
}

func start(t *testing.T) *assistant.Process {
	t.Helper()
	p := &assistant.Process{Program: []string{os.Args[0], "assist"}}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func answered(t *testing.T, p *assistant.Process, password string) assistant.Answer {
	t.Helper()
	a, err := p.Ask(question(password))
	if err != nil {
		t.Fatalf("%s: %v", password, err)
	}
	return a
}

func TestAnswersBelongToTheirQuestions(t *testing.T) {
	p := start(t)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			want := strings.Repeat("ü\x00\xff", i)
			a, err := p.Ask(assistant.Question{Kind: assistant.Make, Password: want})
			if err != nil || a.Encoded != want || a.Match || a.Spent != int64(len(want)) {
				t.Errorf("question %d: %v, %v", i, a, err)
			}
		})
	}
	all.Wait()
}

func TestAFailureIsNotTheProcesss(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	before := p.PID()
	if _, err := p.Ask(question("fail")); err == nil || err.Error() != "no such hash" {
		t.Errorf("%v", err)
	}
	if p.PID() != before {
		t.Error("it was replaced")
	}
}

// TestTheProcessKnowsNothingOfTheServersEnvironment, where secrets may be.
func TestTheProcessKnowsNothingOfTheServersEnvironment(t *testing.T) {
	t.Setenv("CLOAKROOM_DB", "postgres://somebody:secret@host/db")
	if a := answered(t, start(t), "environment"); a.Encoded != "" {
		t.Errorf("its environment: %s", a.Encoded)
	}
}

func TestKilledProcessesAreReplacedAndAskedAgain(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	first := p.PID()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if a, err := p.Ask(question("slow")); err != nil || a.Encoded != "slow" {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	kill(t, first, syscall.SIGKILL)
	all.Wait()
	assistant.Ended(t, first)
	if now := p.PID(); now == first || now == 0 {
		t.Errorf("process %d after %d", now, first)
	}
}

func TestAQuestionThatKillsIsNotAskedForEver(t *testing.T) {
	p := start(t)
	if _, err := p.Ask(question("die")); err == nil {
		t.Error("it was answered")
	}
	answered(t, p, "x")
}

func TestAProcessThatDoesNotAnswerIsReplacedByOneThatHurries(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	first := p.PID()
	kill(t, first, syscall.SIGSTOP)
	began := time.Now()
	answered(t, p, "y")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	assistant.Ended(t, first)
	if !p.Hurried() {
		t.Error("the new one has the lowest priority too")
	}
	second := p.PID()
	answered(t, p, "z")
	if p.PID() != second {
		t.Error("replaced before its time is over")
	}
	p.EndHurry()
	answered(t, p, "z")
	assistant.Ended(t, second)
	if p.Hurried() {
		t.Error("it hurries for ever")
	}
}

// TestARetiredProcessAnswersFirst: what was asked before the hurry is over.
func TestARetiredProcessAnswersFirst(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	kill(t, p.PID(), syscall.SIGSTOP)
	answered(t, p, "y") // by one that hurries
	var all sync.WaitGroup
	all.Go(func() {
		if a, err := p.Ask(question("slow")); err != nil || a.Encoded != "slow" {
			t.Errorf("%v, %v", a, err)
		}
	})
	time.Sleep(100 * time.Millisecond)
	hurrying := p.PID()
	p.EndHurry()
	answered(t, p, "z")
	if p.PID() == hurrying {
		t.Error("not replaced")
	}
	all.Wait()
}

// TestSignalsToTheWholeGroupAreTheServersAlone: a terminal and a service manager send them to all processes.
func TestSignalsToTheWholeGroupAreTheServersAlone(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	first := p.PID()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		kill(t, first, s)
	}
	time.Sleep(50 * time.Millisecond)
	answered(t, p, "y")
	if p.PID() != first {
		t.Error("a signal ended it")
	}
}

func TestCloseEndsTheProcess(t *testing.T) {
	p := start(t)
	answered(t, p, "x")
	pid := p.PID()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	assistant.Ended(t, pid)
	if _, err := p.Ask(assistant.Question{}); err == nil {
		t.Error("it answers after Close")
	}
}

func TestTheProcessEndsWithTheOneThatAsks(t *testing.T) {
	command := exec.Command(os.Args[0], "ask")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	kill(t, command.Process.Pid, syscall.SIGKILL)
	_ = command.Wait() // killed
	assistant.Ended(t, pid)
}

// TestNobodyIsLeftWithAProcessThatWaits: it would not even hear Ctrl-C.
func TestNobodyIsLeftWithAProcessThatWaits(t *testing.T) {
	for _, args := range [][]string{{"assist"}, {"assist", "--help"}, {"assist", "lowest-priority", "ordinary-priority"}} {
		command := exec.Command(os.Args[0], args...)
		in, err := command.StdinPipe() // which stays open
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Run(); err == nil {
			t.Errorf("%q waits for questions", args)
		}
		in.Close()
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	p := &assistant.Process{Program: []string{"/nowhere/at/all"}}
	if err := p.Start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := p.Ask(assistant.Question{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func question(password string) assistant.Question { return assistant.Question{Password: password} }

func kill(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
