package peerlink_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/peerlink"
)

func open(t testing.TB, address string) (l *peerlink.Link, heard chan string) {
	t.Helper()
	l, err := peerlink.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	heard, done := make(chan string, 1000), make(chan error)
	go func() { done <- l.Receive(ctx, func(m string) { heard <- m }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close()
	})
	return l, heard
}

func TestMessagesArriveUnchanged(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			if c, err := net.ListenPacket("udp", address); err != nil {
				t.Skip("this machine has no such address: ", err)
			} else {
				c.Close()
			}
			a, _ := open(t, address)
			b, heard := open(t, address)
			for _, m := range []string{"A node b-1", strings.Repeat("x", 200)} {
				a.Send(b.Place(), m)
				if got := <-heard; got != m {
					t.Errorf("%q arrived as %q", m, got)
				}
			}
		})
	}
}

// TestALinkReceivesAgain: a process that has written before it runs as a node receives twice.
func TestALinkReceivesAgain(t *testing.T) {
	l, err := peerlink.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sender, _ := open(t, "127.0.0.1:0")
	for _, m := range []string{"first", "second", "third"} {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		sender.Send(l.Place(), m)
		heard := ""
		if err := l.Receive(ctx, func(m string) {
			heard = m
			stop()
		}); err != nil {
			t.Error(err)
		}
		if stop(); heard != m {
			t.Fatalf("%q arrived as %q", m, heard)
		}
	}
}

// TestOnlyWhoKnowsThePlaceIsHeard: who can reach the port, sees the datagrams of others and sends them to another node isn't heard.
func TestOnlyWhoKnowsThePlaceIsHeard(t *testing.T) {
	t.Attr("threat", "X24")
	a, _ := open(t, "127.0.0.1:0")
	b, heard := open(t, "127.0.0.1:0")
	other, others := open(t, "127.0.0.1:0")
	address, _, _ := strings.Cut(b.Place(), "/")
	_, key, _ := strings.Cut(other.Place(), "/")
	a.Send(address+"/"+key, "A node b-1") // authentic for another node
	raw, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, datagram := range []string{"", "x", "A node b-1", strings.Repeat("\x00", 16) + "A node b-1", strings.Repeat("x", 1000)} {
		if _, err := raw.Write([]byte(datagram)); err != nil {
			t.Fatal(err)
		}
	}
	a.Send(b.Place(), strings.Repeat("x", 201)) // too long
	a.Send(b.Place(), "the last")
	if got := <-heard; got != "the last" {
		t.Errorf("%q was heard", got)
	}
	if len(others) > 0 {
		t.Errorf("another node heard %q", <-others)
	}
}

func TestAnAddressIsOfOneMachine(t *testing.T) {
	for _, address := range []string{"", "7946", ":7946", "localhost:7946", "0.0.0.0:7946", "[::]:7946", "224.0.0.1:7946", "[fe80::1%lo]:7946", "127.0.0.1", "127.0.0.1:99999"} {
		if l, err := peerlink.Open(address); err == nil {
			l.Close()
			t.Errorf("%q was accepted", address)
		}
	}
}

func TestAPlaceThatIsNoneIsIgnored(t *testing.T) {
	a, _ := open(t, "127.0.0.1:0")
	b, heard := open(t, "127.0.0.1:0")
	address, key, _ := strings.Cut(b.Place(), "/")
	for _, place := range []string{"", "/", address, address + "/", address + "/" + key + "A", "127.0.0.1:0/" + key, "localhost:1/" + key, "224.0.0.1:1/" + key} {
		a.Send(place, "lost")
	}
	a.Send(b.Place(), "the last")
	if got := <-heard; got != "the last" {
		t.Errorf("%q was heard", got)
	}
}

// TestAPortWhereNothingListensStopsNothing: the system reports it at the socket that has sent.
func TestAPortWhereNothingListensStopsNothing(t *testing.T) {
	a, heard := open(t, "127.0.0.1:0")
	gone, err := peerlink.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	b, _ := open(t, "127.0.0.1:0")
	for range 20 {
		a.Send(gone.Place(), "lost")
		time.Sleep(time.Millisecond)
	}
	b.Send(a.Place(), "still here")
	if got := <-heard; got != "still here" {
		t.Errorf("heard %q", got)
	}
}

func FuzzDatagram(f *testing.F) {
	key := []byte("0123456789abcdef")
	f.Add([]byte("A node b-1"), []byte{})
	f.Add([]byte{}, []byte("0123456789abcdefA"))
	f.Fuzz(func(t *testing.T, message, raw []byte) {
		if len(message) > 0 && len(message) <= 200 {
			sealed := peerlink.Seal(key, message)
			if got, ok := peerlink.Unseal(key, sealed); !ok || got != string(message) {
				t.Errorf("%q was opened as %q", message, got)
			}
			sealed[len(raw)%len(sealed)] ^= 1
			if _, ok := peerlink.Unseal(key, sealed); ok {
				t.Errorf("a changed datagram of %q was opened", message)
			}
		}
		_, _ = peerlink.Unseal(key, raw)
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("10.0.0.7:7946/AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("[::1]:7946/AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, place string) {
		at, key, ok := peerlink.ParsePlace(place)
		if ok && (len(key) != 16 || !at.IsValid() || at.Port() == 0) {
			t.Errorf("%q was read as %v and %d bytes", place, at, len(key))
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	a, _ := open(b, "127.0.0.1:0")
	c, heard := open(b, "127.0.0.1:0")
	for b.Loop() {
		a.Send(c.Place(), "A ABCDEFGHIJKLMNOP ABCDEFGHIJKLMNOP-1234")
		<-heard
	}
}
