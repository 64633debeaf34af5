package nearcache_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/faultproxy"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
)

// process is a node in a process of its own.
type process struct {
	t     *testing.T
	where string

	mu      sync.Mutex
	cmd     *exec.Cmd
	in      io.WriteCloser
	waiting map[string]chan string // nil: the process has ended
	number  int
	busy    sync.RWMutex // held for writing while this node must end nothing
	naps    atomic.Int64 // how often it was paused for long, or resumed, while it might be ending something
}

func startProcess(t *testing.T, where string) *process {
	t.Helper()
	p := &process{t: t, where: where}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+p.where)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		p.t.Error(err)
		return
	}
	waiting := map[string]chan string{}
	p.mu.Lock()
	p.cmd, p.in, p.waiting = cmd, in, waiting
	p.mu.Unlock()
	go p.read(cmd, out, waiting)
}

// read passes the answers on. At the end it closes all channels, and no more are taken: a process that is dying can close its output before
// its input, and what is written to it then has no answer.
func (p *process) read(cmd *exec.Cmd, out io.Reader, waiting map[string]chan string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		number, answer, _ := strings.Cut(lines.Text(), " ")
		p.mu.Lock()
		if c := waiting[number]; c != nil {
			c <- answer
			delete(waiting, number)
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range waiting {
		close(c)
	}
	if p.cmd == cmd { // it hasn't been started again yet
		p.waiting = nil
	}
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s)
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

var errNoAnswer = errors.New("no answer")

// ask sends one line, and waits for the answer.
func (p *process) ask(words ...string) (string, error) {
	p.mu.Lock()
	if p.waiting == nil {
		p.mu.Unlock()
		return "", errNoAnswer
	}
	p.number++
	number := strconv.Itoa(p.number)
	c := make(chan string, 1)
	p.waiting[number] = c
	_, err := fmt.Fprintln(p.in, number, strings.Join(words, " "))
	if err != nil {
		delete(p.waiting, number)
	}
	p.mu.Unlock()
	if err != nil {
		return "", err
	}
	answer, ok := <-c
	if !ok {
		return "", errNoAnswer
	}
	if why, failed := strings.CutPrefix(answer, "error "); failed {
		return "", errors.New(why)
	}
	return answer, nil
}

// The model: a session doesn't exist yet, is live, or has ended. A session that has ended is never live again.
type happening string

const (
	created   happening = "created"
	seenValid happening = "counts"
	seenEnded happening = "doesn't count"
	ended     happening = "ended"
)

// The states of a session.
const (
	notYet   = "not yet"
	lives    = "lives"
	hasEnded = "has ended"
)

var life = porcupine.Model{
	Init: func() any { return notYet },
	Step: func(state, input, _ any) (bool, any) {
		switch input.(happening) {
		case created:
			return state == notYet, lives
		case seenValid:
			return state == lives, state
		case seenEnded:
			return state != lives, state
		case ended:
			if state == lives {
				return true, hasEnded
			}
		}
		return true, state
	},
}

// installation is three nodes, and the history of their sessions.
type installation struct {
	t         *testing.T
	nodes     []*process
	passwords bool // there are accounts, and their epochs change
	newUser   func() (id string, ok bool)
	began     time.Time
	tickets   atomic.Int64
	epochs    atomic.Int64
	uses      atomic.Int64

	mu       sync.Mutex
	history  map[string][]porcupine.Operation // by ticket
	slept    map[string]bool                  // tickets and users that a node was about to end when it was paused
	byUser   map[string][]porcupine.Operation // calls that end all sessions of a user
	owner    map[string]string
	recent   []string
	user     string
	usesLeft int
	counts   map[string]int
}

func (w *installation) now() int64 { return time.Since(w.began).Nanoseconds() }

// note records what happened to a ticket.
func (w *installation) note(ticket string, h happening, call, done int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history[ticket] = append(w.history[ticket], porcupine.Operation{Input: h, Call: call, Return: done})
	w.counts[string(h)]++
}

// pick returns one of the latest tickets.
func (w *installation) pick() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.recent) == 0 {
		return ""
	}
	return w.recent[rand.IntN(len(w.recent))]
}

func (w *installation) know(ticket, user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner[ticket] = user
	if w.recent = append(w.recent, ticket); len(w.recent) > 24 {
		w.recent = w.recent[1:]
	}
}

// nextUser returns a user who has few sessions yet: a call that ends all of a user's sessions is part of the history of each
// of them.
func (w *installation) nextUser() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.usesLeft--; w.usesLeft < 0 {
		id, ok := w.newUser()
		if !ok {
			return ""
		}
		w.user, w.usesLeft = id, 3
	}
	return w.user
}

// client makes one call after the other until stop is closed.
func (w *installation) client(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(rand.N(4 * time.Millisecond)):
		}
		node := w.nodes[rand.IntN(len(w.nodes))]
		switch n := rand.IntN(100); {
		case n < 12:
			w.create(node)
		case n < 18:
			w.end(node, w.pick())
		case n < 22:
			w.rotate(node)
		case n < 24:
			w.endAll(node, "endall")
		case n < 26 && w.passwords:
			w.endAll(node, "password")
		case n < 36:
			w.touch(node)
		default:
			w.check(node, w.pick())
		}
	}
}

// create makes a session and returns its ticket, or "" if it was not created.
func (w *installation) create(node *process) (ticket string) {
	user := w.nextUser()
	if user == "" {
		return ""
	}
	ticket = strconv.FormatInt(w.tickets.Add(1), 10)
	call := w.now()
	if _, err := node.ask("create", ticket, user); err != nil {
		return ""
	}
	w.note(ticket, created, call, w.now())
	w.know(ticket, user)
	for _, other := range w.nodes { // so that they cache it
		go w.check(other, ticket)
	}
	return ticket
}

func (w *installation) check(node *process, ticket string) {
	if ticket == "" {
		return
	}
	call := w.now()
	answer, err := node.ask("check", ticket)
	if err != nil {
		return
	}
	h := seenEnded
	if strings.HasPrefix(answer, "valid") {
		h = seenValid
	}
	w.note(ticket, h, call, w.now())
	w.mu.Lock()
	w.counts["told "+answer]++
	w.mu.Unlock()
}

// outcome returns when a call ended, if it had an effect; if that is unknown, the end is open.
func (w *installation) outcome(err error) int64 {
	if err != nil {
		return math.MaxInt64
	}
	return w.now()
}

func (w *installation) end(node *process, ticket string) {
	if ticket == "" {
		return
	}
	call := w.now()
	_, err := w.ending(node, ticket, "end", ticket)
	w.note(ticket, ended, call, w.outcome(err))
	if err == nil {
		w.aim(ticket)
	}
}

// touch records a use, which makes nothing live.
func (w *installation) touch(node *process) {
	ticket := w.pick()
	if ticket == "" {
		return
	}
	if _, err := node.ask("touch", ticket, strconv.FormatInt(w.uses.Add(1)+1, 10)); err != nil {
		return
	}
	w.mu.Lock()
	w.counts["touched"]++
	w.mu.Unlock()
	w.check(node, ticket)
}

// aim checks at every node right after an acknowledgement.
func (w *installation) aim(tickets ...string) {
	var group sync.WaitGroup
	for _, node := range w.nodes {
		for _, ticket := range tickets {
			group.Go(func() { w.check(node, ticket) })
		}
	}
	group.Wait()
}

// ending is ask for commands that end something: a ticket, or all sessions of a user.
func (w *installation) ending(node *process, whose string, words ...string) (string, error) {
	node.busy.RLock()
	defer node.busy.RUnlock()
	naps := node.naps.Load()
	answer, err := node.ask(words...)
	if node.naps.Load() != naps {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.slept[whose] = true
	}
	return answer, err
}

func (w *installation) rotate(node *process) {
	ticket := w.pick()
	if ticket == "" {
		return
	}
	next := strconv.FormatInt(w.tickets.Add(1), 10)
	call := w.now()
	answer, err := w.ending(node, ticket, "rotate", ticket, next)
	done := w.outcome(err)
	switch {
	case err != nil:
		w.note(ticket, ended, call, done)
	case answer == "done":
		w.note(ticket, ended, call, done)
		w.note(next, created, call, done)
		w.mu.Lock()
		user := w.owner[ticket]
		w.mu.Unlock()
		w.know(next, user)
		w.aim(ticket, next)
	}
}

func (w *installation) endAll(node *process, how string) {
	ticket := w.pick()
	w.mu.Lock()
	user := w.owner[ticket]
	w.mu.Unlock()
	if user == "" {
		return
	}
	call := w.now()
	_, err := w.ending(node, ofUser(user), how, user, strconv.FormatInt(w.epochs.Add(1)+1, 10))
	op := porcupine.Operation{Input: ended, Call: call, Return: w.outcome(err)}
	w.mu.Lock()
	w.byUser[user] = append(w.byUser[user], op)
	w.counts[how]++
	var all []string
	for _, t := range w.recent {
		if w.owner[t] == user {
			all = append(all, t)
		}
	}
	w.mu.Unlock()
	if err == nil {
		w.aim(all...)
	}
}

// trouble causes one fault after another until stop is closed, and repairs each. Between faults that make all nodes drop
// everything there are pauses, in which the nodes cache again.
func (w *installation) trouble(stop chan struct{}, more ...func()) {
	grave := append([]func(){
		func() { // killed and started again
			node := w.nodes[rand.IntN(len(w.nodes))]
			node.kill()
			time.Sleep(rand.N(500 * time.Millisecond))
			node.start()
		},
		func() { w.pauseIdle(3*time.Second + rand.N(2*time.Second)) },
		func() { w.pauseBusy(3*time.Second + rand.N(2*time.Second)) },
	}, more...)
	for {
		for _, n := range rand.Perm(len(grave)) {
			for range 3 {
				w.pause(100*time.Millisecond + rand.N(2*time.Second))
				select {
				case <-stop:
					return
				case <-time.After(rand.N(time.Second / 2)):
				}
			}
			grave[n]()
			w.mu.Lock()
			w.counts["troubles"]++
			w.mu.Unlock()
			time.Sleep(3 * time.Second) // until the nodes have cached again
		}
	}
}

// pause stops a node's process. Sessions that it has cached are ended at another node meanwhile, and checked at the paused
// node as it continues: the clients wait for the node, and end little.
func (w *installation) pause(d time.Duration) {
	first := rand.IntN(len(w.nodes))
	node, other := w.nodes[first], w.nodes[(first+1)%len(w.nodes)]
	var tickets []string
	for range 4 {
		ticket := w.create(other)
		w.check(node, ticket)
		tickets = append(tickets, ticket)
	}
	node.signal(syscall.SIGSTOP)
	var group sync.WaitGroup
	for _, ticket := range tickets {
		group.Go(func() { w.end(other, ticket) })
	}
	time.Sleep(d)
	node.signal(syscall.SIGCONT)
	group.Wait()
}

// pauseBusy pauses, for longer than T, a node that is ending something. It may have been paused between its fence and its
// write, and then reveal, for a moment after it continues, an end that it has not acknowledged yet: of these sessions only
// acknowledged answers are checked.
func (w *installation) pauseBusy(d time.Duration) {
	node := w.nodes[rand.IntN(len(w.nodes))]
	var tickets []string
	for range 8 {
		tickets = append(tickets, w.create(node))
	}
	var group sync.WaitGroup
	for _, ticket := range tickets {
		group.Go(func() {
			time.Sleep(rand.N(3 * time.Millisecond))
			w.end(node, ticket)
		})
	}
	time.Sleep(rand.N(4 * time.Millisecond))
	node.naps.Add(1)
	node.signal(syscall.SIGSTOP)
	time.Sleep(d)
	node.naps.Add(1)
	node.signal(syscall.SIGCONT)
	group.Wait()
}

// pauseIdle pauses, for longer than T, a node that is ending nothing.
func (w *installation) pauseIdle(d time.Duration) {
	node := w.nodes[rand.IntN(len(w.nodes))]
	node.busy.Lock()
	defer node.busy.Unlock()
	node.signal(syscall.SIGSTOP)
	time.Sleep(d)
	node.signal(syscall.SIGCONT)
}

// judge checks for each session that all answers fit together.
func (w *installation) judge() {
	illegal, undecided, judged := 0, 0, 0
	for ticket, history := range w.history {
		if illegal == 20 {
			break // finding an impossible history takes long, and these suffice
		}
		birth := int64(math.MaxInt64)
		for _, op := range history {
			if op.Input == created {
				birth = op.Call
			}
		}
		for _, op := range w.byUser[w.owner[ticket]] {
			if op.Return >= birth {
				history = append(history, op)
			}
		}
		if w.slept[ticket] || w.slept[ofUser(w.owner[ticket])] {
			history = slices.DeleteFunc(history, func(op porcupine.Operation) bool { return op.Input == seenEnded })
		}
		judged++
		switch porcupine.CheckOperationsTimeout(life, history, 10*time.Second) {
		case porcupine.Illegal:
			if illegal++; illegal <= 3 {
				w.t.Errorf("session %s of user %s:%s", ticket, w.owner[ticket], describe(history))
			}
		case porcupine.Unknown:
			undecided++
		}
	}
	w.t.Logf("%d sessions, %d impossible, %d undecided, %d asleep: %v", judged, illegal, undecided, len(w.slept), w.counts)
	if illegal > 0 || undecided > judged/4 { // on a busy machine some take longer than the check may
		w.t.Errorf("%d histories are impossible, %d undecided", illegal, undecided)
	}
	if !w.enough() {
		w.t.Error("too little has happened")
	}
}

// ofUser is the key that stands for all sessions of a user among tickets.
func ofUser(id string) string { return "user " + id }

func (w *installation) enough() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[string(ended)] >= 100 && w.counts["told valid memory"] >= 500 && w.counts["endall"] >= 10 && w.counts["touched"] >= 100 && w.counts["troubles"] >= 2
}

func describe(history []porcupine.Operation) string {
	var text strings.Builder
	for _, op := range history {
		fmt.Fprintf(&text, "\n%12.3f ms to %12.3f ms: %v", float64(op.Call)/1e6, float64(op.Return)/1e6, op.Input)
	}
	return text.String()
}

// run runs clients and faults for a while.
func (w *installation) run(more ...func()) {
	w.began = time.Now()
	w.history, w.byUser, w.owner, w.counts = map[string][]porcupine.Operation{}, map[string][]porcupine.Operation{}, map[string]string{}, map[string]int{}
	w.slept = map[string]bool{}
	while := 5 * time.Second
	if os.Getenv("CLOAKROOM_LONG") != "" {
		while = 10 * time.Minute
	}
	time.Sleep(4 * time.Second) // until the nodes cache
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { w.client(stop) })
	}
	group.Go(func() { w.trouble(stop, more...) })
	time.Sleep(while)
	for over := time.Now().Add(time.Minute); !w.enough() && time.Now().Before(over); {
		time.Sleep(time.Second)
	}
	close(stop)
	group.Wait()
	w.judge()
}

// TestNoSessionComesBackOnPostgres runs three nodes on a PostgreSQL that is restarted, through a bad network to its feed.
func TestNoSessionComesBackOnPostgres(t *testing.T) {
	server := pgserver.TestServer(t)
	net, err := faultproxy.New(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	url := server.URL("postgres")
	db, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	users := 0
	w := &installation{t: t, passwords: true, newUser: func() (string, bool) {
		users++
		u := &account.User{Username: fmt.Sprintf("user%d", users), IsActive: true, Epoch: "1"}
		err := db.Accounts.Create(context.Background(), u)
		return u.ID, err == nil
	}}
	where := url + " " + strings.Replace(url, server.Addr, net.Addr, 1)
	for _, direct := range []string{" 127.0.0.1:0", " 127.0.0.1:0", ""} { // the third acknowledges on the feed
		w.nodes = append(w.nodes, startProcess(t, where+direct))
	}
	w.run(badFeed(net, func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		time.Sleep(rand.N(time.Second))
		if err := server.Start(context.Background()); err != nil {
			t.Error(err)
		}
	})...)
}

// badFeed are the faults of the feed and of the server.
func badFeed(net *faultproxy.Proxy, restart func()) []func() {
	return []func(){
		net.Cut,
		net.Lose,
		func() { net.Freeze(); time.Sleep(rand.N(3 * time.Second)); net.Thaw() },
		restart,
	}
}

// TestNoSessionComesBackOnRedis does the same with sessions in Redis.
func TestNoSessionComesBackOnRedis(t *testing.T) {
	server, err := redisserver.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	net, err := faultproxy.New(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	users := 0
	w := &installation{t: t, newUser: func() (string, bool) {
		users++
		return strconv.Itoa(users), true
	}}
	for range 3 {
		w.nodes = append(w.nodes, startProcess(t, server.URL()+" redis://"+net.Addr+" 127.0.0.1:0"))
	}
	w.run(badFeed(net, func() {
		server.Kill()
		time.Sleep(rand.N(time.Second))
		if err := server.Start(context.Background()); err != nil {
			t.Error(err)
		}
	})...)
}
