package faultproxy_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
)

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func through(t *testing.T) (*faultproxy.Proxy, net.Conn) {
	t.Helper()
	p, err := faultproxy.New(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, dial(t, p)
}

func dial(t *testing.T, p *faultproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// asks reports whether an echo comes back within the time.
func asks(c net.Conn, within time.Duration) bool {
	c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte("hello")); err != nil {
		return false
	}
	_, err := io.ReadFull(c, make([]byte, 5))
	return err == nil
}

func TestWhatIsSentPasses(t *testing.T) {
	_, c := through(t)
	if !asks(c, 10*time.Second) {
		t.Fatal("no echo")
	}
}

func TestDelayTakesItsTime(t *testing.T) {
	p, c := through(t)
	p.Delay(50 * time.Millisecond)
	began := time.Now()
	if !asks(c, 10*time.Second) || time.Since(began) < 100*time.Millisecond {
		t.Fatalf("the echo took %v", time.Since(began))
	}
}

func TestTheEndOfADelayLetsEverythingPass(t *testing.T) {
	p, c := through(t)
	p.Delay(time.Hour)
	if asks(c, 100*time.Millisecond) {
		t.Fatal("an echo has not waited")
	}
	p.Delay(0)
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatalf("what was on its way still waits: %v", err)
	}
}

func TestFrozenConnectionsStayAndThaw(t *testing.T) {
	p, c := through(t)
	p.Freeze()
	if asks(c, 100*time.Millisecond) || asks(dial(t, p), 100*time.Millisecond) {
		t.Fatal("an echo came through the ice")
	}
	p.Thaw()
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatalf("what was held up is lost: %v", err)
	}
}

func TestCutConnectionsEndAndNewOnesPass(t *testing.T) {
	p, c := through(t)
	if !asks(c, 10*time.Second) {
		t.Fatal("no echo")
	}
	p.Cut()
	if asks(c, 10*time.Second) {
		t.Fatal("a connection outlived its cut")
	}
	if !asks(dial(t, p), 10*time.Second) {
		t.Fatal("no echo on a new connection")
	}
}

func TestRefusedConnectionsEndAtOnce(t *testing.T) {
	p, _ := through(t)
	p.Refuse()
	if c, err := net.Dial("tcp", p.Addr); err == nil && asks(c, 10*time.Second) {
		t.Fatal("an echo on a refused connection")
	}
	p.Admit()
	if !asks(dial(t, p), 10*time.Second) {
		t.Fatal("no echo after all")
	}
}

func TestLostConnectionsStayAndNewOnesPass(t *testing.T) {
	p, c := through(t)
	if !asks(c, 10*time.Second) {
		t.Fatal("no echo")
	}
	p.Lose()
	if asks(c, 100*time.Millisecond) {
		t.Fatal("an echo on a lost connection")
	}
	if !asks(dial(t, p), 10*time.Second) {
		t.Fatal("no echo on a new connection")
	}
}
