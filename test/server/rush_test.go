package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// rushVariable makes this program act as the clients of a rush.
const rushVariable = "SERVERTEST_RUSH"

// rush is clients that sign in in waves, each of which starts whether or not the one before has been answered.
type rush struct {
	Base   string
	Wave   int           // how many come at once
	Pause  time.Duration // between two waves; 0: the next comes when the last one is answered
	People []entrant
}

// entrant is one client with an address and a connection of its own.
type entrant struct {
	Address        netip.Addr
	Name, Password string
}

// entry is the answer to one entrant.
type entry struct {
	Status  int
	Header  http.Header
	Failure string
	Took    time.Duration
}

// gathered is a rush that is ready to start. It is a process of low priority, because real clients have processors of their
// own.
type gathered struct {
	t       *testing.T
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// tooSlow is how long a client may take to send the head of a request. The server then closes the connection.
const tooSlow = 10 * time.Second

// The messages between the two processes.
const (
	ready = "ready\n"
	enter = "enter\n"
	over  = "over\n"
)

func (r rush) gather(t *testing.T) *gathered {
	t.Helper()
	g := &gathered{t: t, command: exec.Command("chrt", "--idle", "0", os.Args[0])}
	g.command.Env = append(os.Environ(), rushVariable+"=1")
	g.command.Stderr = os.Stderr
	out, err := g.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if g.in, err = g.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := g.command.Start(); err != nil {
		t.Fatal(err)
	}
	g.out = bufio.NewReader(out)
	if err := json.NewEncoder(g.in).Encode(r); err != nil {
		t.Fatal(err)
	}
	g.hear(ready)
	return g
}

func (g *gathered) hear(want string) {
	g.t.Helper()
	if line, err := g.out.ReadString('\n'); line != want {
		g.t.Fatalf("the rush says %q, %v; want %q", line, err, want)
	}
}

// happen starts the rush, and returns when all have been answered.
func (g *gathered) happen() {
	g.t.Helper()
	if _, err := io.WriteString(g.in, enter); err != nil {
		g.t.Fatal(err)
	}
	g.hear(over)
}

// answers returns the answers afterwards.
func (g *gathered) answers() []timed {
	g.t.Helper()
	var entries []entry
	if err := json.NewDecoder(g.out).Decode(&entries); err != nil {
		g.t.Fatal(err)
	}
	if err := g.command.Wait(); err != nil {
		g.t.Fatal(err)
	}
	all := make([]timed, len(entries))
	for i, e := range entries {
		all[i] = timed{answer: answer{status: e.Status, header: e.Header}, took: e.Took}
		if e.Failure != "" {
			all[i].err = errors.New(e.Failure)
		}
	}
	return all
}

// takePart is the main function of the other process.
func takePart() {
	in := bufio.NewReader(os.Stdin)
	var r rush
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.WriteString(ready)
	if _, err := in.ReadString('\n'); err != nil {
		log.Fatal(err)
	}
	entries := r.enter()
	os.Stdout.WriteString(over)
	if err := json.NewEncoder(os.Stdout).Encode(entries); err != nil {
		log.Fatal(err)
	}
}

func (r rush) enter() []entry {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	entries := make([]entry, len(r.People))
	var group sync.WaitGroup
	for first := 0; first < len(entries); first += r.Wave {
		for i := first; i < min(first+r.Wave, len(entries)); i++ {
			group.Go(func() {
				for again := true; again; {
					began := time.Now()
					entries[i] = r.People[i].enter(client, r.Base)
					entries[i].Took = time.Since(began)
					// Where the processors are busy with other things, this process may not get to send a request in time.
					again = entries[i].Failure == io.EOF.Error() && entries[i].Took > tooSlow
				}
			})
		}
		if r.Pause == 0 {
			group.Wait()
		}
		time.Sleep(r.Pause)
	}
	group.Wait()
	return entries
}

func (e entrant) enter(client *http.Client, base string) entry {
	body, err := json.Marshal(map[string]string{"username": e.Name, "password": e.Password})
	if err != nil {
		return entry{Failure: err.Error()}
	}
	r, err := http.NewRequest(http.MethodPost, base+"/api/auth/login", bytes.NewReader(body))
	if err != nil {
		return entry{Failure: err.Error()}
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Origin": {base}, "X-Forwarded-For": {e.Address.String()},
	}
	response, err := client.Do(r)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	if err != nil {
		return entry{Failure: err.Error()}
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return entry{Failure: err.Error()}
	}
	return entry{Status: response.StatusCode, Header: response.Header}
}
