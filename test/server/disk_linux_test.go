package server_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/test/harness"
)

// onDisk runs a test with a server whose data is on a small disk of its own, mounted at dir. Without the right to mount, the
// test runs again in namespaces of its own.
func onDisk(t *testing.T, test func(s *server, dir string)) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NODEV|syscall.MS_NOSUID, "size=12m,mode=0700")
	if errors.Is(err, syscall.EPERM) && os.Getenv("SERVERTEST_NAMESPACE") == "" {
		inNamespace(t)
		return
	}
	if err != nil {
		t.Fatalf("mount a small disk (this needs root, or unprivileged user namespaces): %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s := startOn(t, filepath.Join(dir, "data"))
	defer s.end()
	test(s, dir)
}

// inNamespace runs the test that calls it once more, as the root of a user and a mount namespace.
func inNamespace(t *testing.T) {
	t.Helper()
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "SERVERTEST_NAMESPACE=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("in a namespace of its own (without root, this needs unprivileged user namespaces): %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// fill takes all space that is left on the disk, and returns a function that releases it.
func fill(t *testing.T, dir string) (release func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAFullDiskIsAnOutageAndNoSignOut fills the disk under load, and then frees the space.
func TestAFullDiskIsAnOutageAndNoSignOut(t *testing.T) {
	t.Attr("threat", "L04")
	t.Parallel()
	onDisk(t, func(s *server, dir string) {
		suffer(s, func() (heal func()) { return fill(t, dir) })
	})
}

// TestADiskThatRefusesIsAnOutageAndNoSignOut makes system calls of the server fail for a while, as on a disk that failed or
// became read-only. A failed read is an outage too.
func TestADiskThatRefusesIsAnOutageAndNoSignOut(t *testing.T) {
	t.Attr("threat", "L04")
	for _, fault := range []string{"pwrite64:error=EROFS", "fsync:error=EIO", "pread64:error=EIO"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			suffer(s, func() (heal func()) { return s.inject(fault) })
			s.stop()
			whole(t, s.database())
		})
	}
}

// TestAFileThatIsTakenAwayIsAnOutageAndNoSignOut moves the database away under load, and back. SQLite alone would go on
// writing to the moved file, which the next process wouldn't find.
func TestAFileThatIsTakenAwayIsAnOutageAndNoSignOut(t *testing.T) {
	t.Attr("threat", "L04")
	t.Parallel()
	s := start(t)
	suffer(s, func() (heal func()) { return s.takeAway() })
	s.stop()
	whole(t, s.database())
}

// takeAway moves the database away, and returns a function that moves it back.
func (s *server) takeAway() (back func()) {
	s.t.Helper()
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			s.t.Fatal(err)
		}
	}
	elsewhere := s.database() + ".old"
	move(s.database(), elsewhere)
	return func() { move(elsewhere, s.database()) }
}

// TestAStopWithoutTheDatabaseSaysWhatIsMissing checks that the text log has the events which the audit log lacks.
func TestAStopWithoutTheDatabaseSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := start(t)
	back := s.takeAway()
	defer back()
	forged, err := http.NewRequest("POST", s.base+"/api/auth/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("Origin", "https://elsewhere.example")
	v := s.visitor()
	v.must(v.do(forged))
	s.terminate()
	if code := s.ended(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, part := range []string{"malicious_csrf", "the audit log lacks ", " of the last events, since the database took no more: ", "removed or replaced"} {
		if !strings.Contains(s.log.String(), part) {
			t.Errorf("the log doesn't say %q", part)
		}
	}
}

// inject makes a system call of the server fail from now on, and returns a function that ends it.
func (s *server) inject(fault string) (heal func()) {
	s.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		s.t.Fatal("this test needs strace: apt-get install strace")
	}
	log := &harness.Output{}
	call, _, _ := strings.Cut(fault, ":")
	tracer := exec.Command("strace", "-f", "-q", "-o", os.DevNull, "-e", "trace="+call, "-e", "signal=none",
		"-e", "inject="+fault, "-p", strconv.Itoa(s.command.Process.Pid))
	tracer.Stderr = log
	if err := tracer.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		_ = tracer.Process.Signal(os.Interrupt)
		_ = tracer.Wait() // it says that it was interrupted
		if s.t.Failed() {
			s.t.Logf("strace: %s", log.Tail(5))
		}
	}
}

// suffer causes trouble on the disk under load, checks all answers meanwhile, and ends the trouble. Then full service must
// resume without a restart, and everything that was acknowledged must hold.
func suffer(s *server, trouble func() (heal func())) {
	t := s.t
	crowd := newCrowd(s, s.people("dan", 20), 40)
	crowd.seed()
	visitor := s.holding(s.give(s.person("live"))[0])

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		crowd.work(func() bool {
			select {
			case <-stop:
				return false
			case <-time.After(10 * time.Millisecond):
				return true
			}
		})
	}()
	eventually(t, "traffic", func() bool { return crowd.outs.Load() > 10 && crowd.ins.Load() > 0 })
	heal := trouble()
	eventually(t, "/readyz says 503", func() bool { return visitor.must(visitor.get("/readyz")).status == http.StatusServiceUnavailable })
	before := crowd.outages.Load()
	eventually(t, "sign-ins and sign-outs are refused", func() bool { return crowd.outages.Load() > before+50 })
	for range 20 {
		if a := visitor.must(visitor.me()); a.status != http.StatusOK && a.status != http.StatusServiceUnavailable || a.setsCookie() {
			t.Errorf("/api/me in the outage: %s", a)
		}
		if a := visitor.must(visitor.get("/healthz")); a.status != http.StatusOK {
			t.Errorf("/healthz in the outage: %s", a)
		}
	}
	heal()
	healed := time.Now()
	eventually(t, "/readyz says 200 again", func() bool { return visitor.must(visitor.get("/readyz")).status == http.StatusOK })
	eventually(t, "people can sign in again", func() bool {
		v := s.visitor()
		a := v.must(v.signIn("live0", goodPassword))
		return a.status == http.StatusOK && v.must(v.signOut()).status == http.StatusOK
	})
	t.Logf("%d answers were 503; %v after the end of the trouble all was well", crowd.outages.Load(), round(time.Since(healed)))
	close(stop)
	<-stopped
	visitor.demand(http.StatusOK, "after the trouble")
	crowd.check()
	crowd.checkDead()
}
