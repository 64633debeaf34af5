package servertest_test

import (
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
	"time"
)

// rushVariable makes this program be the people of a rush.
const rushVariable = "SERVERTEST_RUSH"

// rush is people who sign in, one each pause, whether or not those before have been answered.
type rush struct {
	Base   string
	Pause  time.Duration
	People []entrant
}

// entrant comes from an address and on a connection of their own.
type entrant struct {
	Address        netip.Addr
	Name, Password string
}

// entry is how one of them was answered.
type entry struct {
	Status  int
	Header  http.Header
	Failure string
	Took    time.Duration
}

// happen has the rush come from a process that takes only what time the server and this test leave it, since strangers
// have processors of their own.
func (r rush) happen() ([]timed, error) {
	in, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	command := exec.Command("nice", "-n", "19", os.Args[0])
	command.Env = append(os.Environ(), rushVariable+"=1")
	command.Stdin, command.Stderr = bytes.NewReader(in), os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	var entries []entry
	if err := json.Unmarshal(out, &entries); err != nil {
		return nil, err
	}
	all := make([]timed, len(entries))
	for i, e := range entries {
		all[i] = timed{answer: answer{status: e.Status, header: e.Header}, took: e.Took}
		if e.Failure != "" {
			all[i].err = errors.New(e.Failure)
		}
	}
	return all, nil
}

// takePart does what happen asks for.
func takePart() {
	var r rush
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	entries := make([]entry, len(r.People))
	var group sync.WaitGroup
	for i, one := range r.People {
		group.Go(func() {
			began := time.Now()
			entries[i] = one.enter(client, r.Base)
			entries[i].Took = time.Since(began)
		})
		time.Sleep(r.Pause)
	}
	group.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(entries); err != nil {
		log.Fatal(err)
	}
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
	if err != nil {
		return entry{Failure: err.Error()}
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return entry{Failure: err.Error()}
	}
	return entry{Status: response.StatusCode, Header: response.Header}
}
