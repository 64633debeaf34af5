package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// limitSignOut is the fastest node on PostgreSQL whose sign-outs take the steps of the fence: a notice to all nodes, which comes back; an
// acknowledgement of each other node, by UDP; the deletion; the answer. It checks nothing and survives nothing: there are no leases, no blocks, no
// keys of datagrams, no retries, no deadlines and no audit.
const limitSignOut = "limit/sign-out"

// limitNode is one process of [limitSignOut].
type limitNode struct {
	name   string
	pool   *pgxpool.Pool
	socket *net.UDPConn

	sending sync.Mutex // guards feed
	feed    *pgx.Conn

	mu       sync.Mutex
	peers    map[string]netip.AddrPort // other nodes, by name
	notices  map[string]*limitNotice   // by the IDs of their sessions, in base64url
	sessions map[[sha256.Size]byte]bool
}

// limitNotice is a notice that waits for acknowledgements.
type limitNotice struct {
	received bool            // it has come back
	answered map[string]bool // nodes that have acknowledged
	done     chan struct{}   // closed once it was received and acknowledged by all peers
}

func buildLimitSignOut(s spec) (http.Handler, []string, error) {
	ctx := context.Background()
	db, err := postgres.Open(ctx, s.DB)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	credentials, err := populate(ctx, s, db.Accounts, &session.Manager{Store: db.Sessions, InsecureHTTP: true})
	if err != nil {
		return nil, nil, err
	}
	n := &limitNode{
		name: rand.Text(), peers: map[string]netip.AddrPort{}, notices: map[string]*limitNotice{}, sessions: map[[sha256.Size]byte]bool{},
	}
	if n.pool, err = pgxpool.New(ctx, s.DB); err != nil {
		return nil, nil, err
	}
	if n.feed, err = pgx.Connect(ctx, s.DB); err != nil {
		return nil, nil, err
	}
	if n.socket, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, nil, err
	}
	listening, err := pgx.Connect(ctx, s.DB)
	if err != nil {
		return nil, nil, err
	}
	if _, err := listening.Exec(ctx, "LISTEN sign_outs"); err != nil {
		return nil, nil, err
	}
	go n.listen(listening)
	go n.receive()
	go n.beat()
	sessions := limited(s, n.find)
	signOuts := limited(s, n.end)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			signOuts.ServeHTTP(w, r)
		} else {
			sessions.ServeHTTP(w, r)
		}
	}), credentials, nil
}

// find returns an error unless there is a session, in memory or in the database.
func (n *limitNode) find(ctx context.Context, id [sha256.Size]byte) error {
	n.mu.Lock()
	known := n.sessions[id]
	n.mu.Unlock()
	if known {
		return nil
	}
	err := n.pool.QueryRow(ctx, "SELECT 1 FROM sessions WHERE id = $1", id[:]).Scan(nil)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoSession
	}
	if err == nil {
		n.mu.Lock()
		n.sessions[id] = true
		n.mu.Unlock()
	}
	return err
}

// end ends a session.
func (n *limitNode) end(ctx context.Context, id [sha256.Size]byte) error {
	key := base64.RawURLEncoding.EncodeToString(id[:])
	p := &limitNotice{answered: map[string]bool{}, done: make(chan struct{})}
	n.mu.Lock()
	delete(n.sessions, id)
	n.notices[key] = p
	n.mu.Unlock()
	if err := n.send("I " + n.name + " " + key); err != nil {
		return err
	}
	<-p.done
	n.mu.Lock()
	delete(n.notices, key)
	n.mu.Unlock()
	_, err := n.pool.Exec(ctx, "DELETE FROM sessions WHERE id = $1", id[:])
	return err
}

// check notes that a notice may be complete. The caller holds mu.
func (n *limitNode) check(p *limitNotice) {
	if p != nil && p.received && len(p.answered) == len(n.peers) {
		close(p.done)
	}
}

func (n *limitNode) send(message string) error {
	n.sending.Lock()
	defer n.sending.Unlock()
	_, err := n.feed.Exec(context.Background(), "SELECT pg_notify('sign_outs', $1)", message)
	return err
}

// beat tells the other nodes of this one, four times a second.
func (n *limitNode) beat() {
	for n.send(fmt.Sprint("B ", n.name, " ", n.socket.LocalAddr())) == nil {
		time.Sleep(time.Second / 4)
	}
}

// listen handles what comes by the feed.
func (n *limitNode) listen(on *pgx.Conn) {
	for {
		notification, err := on.WaitForNotification(context.Background())
		if err != nil {
			return
		}
		kind, rest, _ := strings.Cut(notification.Payload, " ")
		from, what, _ := strings.Cut(rest, " ")
		n.mu.Lock()
		switch own := from == n.name; {
		case kind == "B" && !own:
			n.peers[from], _ = netip.ParseAddrPort(what)
		case kind == "I" && own:
			p := n.notices[what]
			p.received = true
			n.check(p)
		case kind == "I":
			var id [sha256.Size]byte
			_, _ = base64.RawURLEncoding.Decode(id[:], []byte(what))
			delete(n.sessions, id)
			_, _ = n.socket.WriteToUDPAddrPort([]byte(n.name+" "+what), n.peers[from])
		}
		n.mu.Unlock()
	}
}

// receive handles acknowledgements.
func (n *limitNode) receive() {
	buffer := make([]byte, 200)
	for {
		size, _, err := n.socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		from, what, _ := strings.Cut(string(buffer[:size]), " ")
		n.mu.Lock()
		if p := n.notices[what]; p != nil {
			p.answered[from] = true
			n.check(p)
		}
		n.mu.Unlock()
	}
}
