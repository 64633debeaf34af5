package nearcache_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/peerlink"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// childVariable is the environment variable with the addresses of a node's stores and feed. If it is set, this test binary
// runs as that node.
const childVariable = "CLOAKROOM_TEST_NODE"

func TestMain(m *testing.M) {
	where := os.Getenv(childVariable)
	if where == "" {
		os.Exit(m.Run())
	}
	if err := beNode(context.Background(), strings.Fields(where)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// worker is a node in a process of its own. It carries out commands from standard input, one per line, several at a time.
type worker struct {
	sessions session.Store
	accounts account.Store // nil: there are none
	mu       sync.Mutex    // guards standard output
}

// beNode opens the stores at these addresses, of the database or of Redis, and the feed.
func beNode(ctx context.Context, where []string) error {
	w, f, err := openNode(ctx, where[0], where[1])
	if err != nil {
		return err
	}
	config := nearcache.Config{Feed: f}
	if len(where) > 2 { // an address for other nodes
		link, err := peerlink.Open(where[2])
		if err != nil {
			return err
		}
		config.Direct = link
	}
	cache := nearcache.New(config)
	w.sessions = cache.Sessions(toldSessions{w.sessions})
	if w.accounts != nil {
		w.accounts = cache.Accounts(w.accounts)
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- cache.Run(ctx) }()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		go w.answer(ctx, words)
	}
	stop()
	return <-done
}

func openNode(ctx context.Context, store, broadcast string) (*worker, feed.Feed, error) {
	if strings.HasPrefix(store, "redis:") {
		db, err := redisdb.Open(ctx, store)
		if err != nil {
			return nil, nil, err
		}
		other, err := redisdb.Open(ctx, broadcast)
		if err != nil {
			return nil, nil, err
		}
		return &worker{sessions: db.Sessions}, other.Feed(), nil
	}
	db, err := postgres.Open(ctx, store)
	if err != nil {
		return nil, nil, err
	}
	f, err := pg.NewFeed(broadcast)
	return &worker{sessions: db.Sessions, accounts: db.Accounts}, f, err
}

func (w *worker) answer(ctx context.Context, words []string) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	result, err := w.do(ctx, words[1], words[2:])
	if err != nil {
		result = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Println(words[0], result)
}

func (w *worker) do(ctx context.Context, what string, args []string) (string, error) {
	switch what {
	case "check":
		return w.check(ctx, ticketOf(args[0]))
	case "create":
		return "done", w.create(ctx, args[0], args[1])
	case "rotate":
		return w.rotate(ctx, args[0], args[1])
	case "end":
		return "done", w.sessions.Delete(ctx, ticketOf(args[0]))
	case "touch":
		at, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return "", err
		}
		return "done", w.sessions.Touch(ctx, []session.LastUse{{ID: ticketOf(args[0]), At: at, Expires: 1 << 40}})
	case "endall":
		_, err := w.sessions.DeleteUser(ctx, args[0], session.ID{})
		return "done", err
	case "password":
		_, err := w.accounts.Change(ctx, args[0], func(u *account.User) error { u.Epoch = args[1]; return nil })
		return "done", err
	}
	return "", fmt.Errorf("no such thing: %s", what)
}

// check answers whether a session is live, and whether that came from the cache.
func (w *worker) check(ctx context.Context, id session.ID) (string, error) {
	told := false
	r, err := w.sessions.(session.CheckLoader).LoadCached(context.WithValue(ctx, toldKey{}, &told), id, 1)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return "ended", nil
	case err != nil:
		return "", err
	}
	epoch, err := w.epoch(ctx, r.User)
	switch {
	case err != nil:
		return "", err
	case epoch != r.Epoch:
		return "ended", nil
	case told:
		return "valid store", nil
	}
	return "valid memory", nil
}

func (w *worker) epoch(ctx context.Context, user string) (string, error) {
	if w.accounts == nil {
		return "1", nil
	}
	u, err := account.LoadCached(ctx, w.accounts, user)
	if err != nil {
		return "", err
	}
	return u.Epoch, nil
}

func (w *worker) create(ctx context.Context, ticket, user string) error {
	epoch, err := w.epoch(ctx, user)
	if err != nil {
		return err
	}
	r := record(user, 0)
	r.ID, r.PublicID, r.Epoch = ticketOf(ticket), "public-"+ticket, epoch
	return w.sessions.Create(ctx, r)
}

func (w *worker) rotate(ctx context.Context, ticket, next string) (string, error) {
	old, err := w.sessions.Load(ctx, ticketOf(ticket))
	if errors.Is(err, session.ErrNotFound) {
		return "gone", nil
	}
	if err != nil {
		return "", err
	}
	if epoch, err := w.epoch(ctx, old.User); err != nil || epoch != old.Epoch {
		return "gone", err
	}
	renewed := *old
	renewed.ID = ticketOf(next)
	err = w.sessions.Replace(ctx, old, &renewed)
	if errors.Is(err, session.ErrNotFound) {
		return "gone", nil
	}
	return "done", err
}

func ticketOf(name string) (id session.ID) {
	n, _ := strconv.Atoi(name)
	return numbered(n)
}

type toldKey struct{}

// toldSessions records whether the store was asked.
type toldSessions struct{ session.Store }

func (s toldSessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	if told, ok := ctx.Value(toldKey{}).(*bool); ok {
		*told = true
	}
	return s.Store.Load(ctx, id)
}
