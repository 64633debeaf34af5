// Package outbox keeps messages in the database, and sends them until a mail server has accepted them.
//
// What is to be sent is stored in the request that causes it. The message is written and sent afterwards, so that the answer depends
// neither on the mail server nor on who has an address, and a crash loses nothing that was acknowledged. What was accepted just before a
// crash may be sent once more, with the same Message-ID.
package outbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	randv2 "math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/mail"
)

const (
	purpose = "outbox.body"

	pollEvery = 5 * time.Second
	settleFor = 50 * time.Millisecond // at least, and at most twice as long
	claimFor  = 3 * time.Minute       // longer than sendFor, so that a message which is being sent isn't sent by another node as well
	sendFor   = 80 * time.Second
	stopFor   = 5 * time.Second // how long a message may take that is being sent when the server stops
	storeFor  = 5 * time.Second
	writeFor  = 20 * time.Second
)

// pauses are those after the first, second … attempt; the last one is repeated.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// Request says which message is wanted.
type Request struct {
	Kind     string            `json:"kind"`
	User     string            `json:"user,omitempty"` // the ID of the user that it is about; "": unknown, or none
	To       string            `json:"to"`
	Language string            `json:"language"`
	Created  int64             `json:"created"`           // Unix time in seconds
	Address  string            `json:"address,omitempty"` // of the client that caused it
	Agent    string            `json:"agent,omitempty"`   // its User-Agent header
	Data     map[string]string `json:"data,omitempty"`    // what the kind needs besides

	// Held says that it isn't known whether what the message tells has happened: the process has ended before it could say so.
	Held bool `json:"held,omitempty"`
}

// Writer writes the message that a request asks for; nil if there is none to send. It sets neither ID nor Created. After an error it
// is called again later.
type Writer func(context.Context, *Request) (*mail.Message, error)

// Service keeps and sends messages. It is safe for concurrent use, also by several processes with one store.
type Service struct {
	store  mail.Store
	keys   *keyring.DataKeys
	sender mail.Sender
	write  Writer
	audit  *audit.Log
	log    *slog.Logger

	wake     chan struct{}
	accepted map[string]bool // by a mail server, and still in the store; only Run uses it
}

// New returns a Service; nil if the store or the sender is nil, since no mail is sent then.
func New(store mail.Store, keys *keyring.DataKeys, sender mail.Sender, write Writer, events *audit.Log, log *slog.Logger) *Service {
	if store == nil || sender == nil {
		return nil
	}
	return &Service{store, keys, sender, write, events, log, make(chan struct{}, 1), map[string]bool{}}
}

// letter is what the body of a [mail.Queued] holds, sealed. The message is written at the first attempt to send it, and is the same at
// each further one.
type letter struct {
	Request Request       `json:"request"`
	Message *mail.Message `json:"message,omitempty"`
}

// Put stores a request, whose message is sent from then on until it has expired. It sets Created.
func (s *Service) Put(ctx context.Context, r Request, life time.Duration) error {
	if _, err := s.put(ctx, r, 0, life); err != nil {
		return err
	}
	s.wakeUp()
	return nil
}

func (s *Service) put(ctx context.Context, r Request, hold, life time.Duration) (*mail.Queued, error) {
	now := time.Now()
	r.Created = now.Unix()
	id := rand.Text()
	sealed, err := s.seal(ctx, id, letter{Request: r})
	if err != nil {
		return nil, err
	}
	q := &mail.Queued{ID: id, Body: sealed, Created: r.Created, Due: now.Add(hold).Unix(), Expires: now.Add(life).Unix()}
	return q, s.store.Put(ctx, q)
}

func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// holdFor is how long a request is held: longer than what it tells can take to be written.
const holdFor = time.Minute

// Held is a request whose message isn't sent yet, because what it tells hasn't happened yet. Call Release or Drop once. If neither is done
// within a minute the message is written with Request.Held, and the Writer finds out whether it has happened.
type Held struct {
	s       *Service
	queued  *mail.Queued
	request Request
}

// Hold stores a request before what it tells happens, so that a crash afterwards doesn't lose it. It sets Created.
func (s *Service) Hold(ctx context.Context, r Request, life time.Duration) (*Held, error) {
	r.Held = true
	q, err := s.put(ctx, r, holdFor, life)
	if err != nil {
		return nil, err
	}
	r.Created = q.Created
	return &Held{s, q, r}, nil
}

// Release has the message sent from now on.
func (h *Held) Release(ctx context.Context) error {
	h.request.Held = false
	sealed, err := h.s.seal(ctx, h.queued.ID, letter{Request: h.request})
	if err != nil {
		return err
	}
	// If it was sealed anew meanwhile it stays as it is, and is due a minute after Hold.
	replaced, err := h.s.store.Replace(ctx, h.queued.ID, h.queued.Body, sealed)
	if err != nil || !replaced {
		return err
	}
	if err := h.s.store.Postpone(ctx, h.queued.ID, time.Now().Unix()); err != nil {
		return err
	}
	h.s.wakeUp()
	return nil
}

// Drop removes the request: what it tells hasn't happened, and won't.
func (h *Held) Drop(ctx context.Context) error { return h.s.store.Delete(ctx, h.queued.ID) }

func (s *Service) seal(ctx context.Context, id string, l letter) ([]byte, error) {
	body, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	sealed, err := s.keys.Seal(ctx, purpose, id, body)
	if err != nil {
		return nil, fmt.Errorf("seal a message: %w", err)
	}
	return sealed, nil
}

// Run sends what is due until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s == nil {
		<-ctx.Done()
		return nil
	}
	for {
		s.sendDue(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			// The answer of the request leaves first: how much work its message is tells whether the address is known.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(settleFor + randv2.N(settleFor)):
			}
		case <-time.After(pollEvery):
		}
	}
}

// sendDue sends what is due, one message after the other.
func (s *Service) sendDue(ctx context.Context) {
	for ctx.Err() == nil {
		now := time.Now()
		q, err := s.claim(ctx, now)
		if errors.Is(err, mail.ErrNotFound) {
			return
		}
		if err == nil {
			err = s.process(ctx, q, now)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "outbox unavailable", slog.Any("error", err))
			}
			return
		}
	}
}

func (s *Service) claim(ctx context.Context, now time.Time) (*mail.Queued, error) {
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	return s.store.Claim(ctx, now.Unix(), now.Add(claimFor).Unix())
}

// process sends a claimed message, and removes it or says when it is due again. An error is one of the store.
func (s *Service) process(ctx context.Context, q *mail.Queued, now time.Time) error {
	if s.accepted[q.ID] {
		return s.remove(ctx, q.ID)
	}
	l, err := s.open(ctx, q)
	about := []slog.Attr{slog.String("mail", q.ID), slog.String("kind", l.Request.Kind), slog.String("user", l.Request.User)}
	switch {
	case q.Expires <= now.Unix():
		s.audit.Record(ctx, audit.MailKinds.Expired, about...)
		return s.remove(ctx, q.ID)
	case err != nil:
		return err
	}
	if l.Message == nil {
		written, err := s.writeMessage(ctx, q, &l)
		if err != nil || !written {
			return err
		}
		about[2] = slog.String("user", l.Message.User)
	}
	err = s.send(ctx, l.Message)
	refused, final := errors.AsType[*mail.RefusedError](err)
	switch {
	case err == nil:
		s.accepted[q.ID] = true
		s.audit.Record(ctx, audit.MailKinds.Sent, about...)
		return s.remove(ctx, q.ID)
	case final:
		s.audit.Record(ctx, audit.MailKinds.Refused, append(about, slog.Int("code", refused.Code), slog.String("status", refused.Status))...)
		return s.remove(ctx, q.ID)
	case ctx.Err() != nil: // the server stops; the next one tries at once
		return s.postpone(ctx, q, now)
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "mail not sent, will be tried again", append(about, slog.Int("tries", q.Tries), slog.Any("error", err))...)
	return s.postpone(ctx, q, now.Add(pauses[min(max(q.Tries, 1), len(pauses))-1]))
}

// writeMessage writes the message and stores it. It reports false if there is none to send, in which case the request is removed, or if
// another process has written it meanwhile.
func (s *Service) writeMessage(ctx context.Context, q *mail.Queued, l *letter) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, writeFor)
	defer cancel()
	m, err := s.write(bounded, &l.Request)
	if err != nil {
		return false, fmt.Errorf("write the message %s: %w", q.ID, err)
	}
	if m == nil {
		return false, s.remove(ctx, q.ID)
	}
	m.ID, m.Created, l.Message = q.ID, q.Created, m
	sealed, err := s.seal(bounded, q.ID, *l)
	if err != nil {
		return false, err
	}
	return s.store.Replace(bounded, q.ID, q.Body, sealed)
}

func (s *Service) open(ctx context.Context, q *mail.Queued) (letter, error) {
	body, err := s.keys.Open(ctx, purpose, q.ID, q.Body)
	if err != nil {
		return letter{}, fmt.Errorf("open the message %s: %w", q.ID, err)
	}
	var l letter
	if err := json.Unmarshal(body, &l); err != nil {
		return letter{}, fmt.Errorf("read the message %s: %w", q.ID, err)
	}
	return l, nil
}

// send passes a message on. If the server stops meanwhile, it may take a little longer: its fate would be unknown otherwise. A panic of
// a program's own Sender is an error: it would end the process, and the next one again, as long as the message is in the database.
func (s *Service) send(ctx context.Context, m *mail.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the sender panicked: %v\n%s", p, debug.Stack())
		}
	}()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendFor)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopFor, cancel) })
	defer stop()
	return s.sender.Send(bounded, m)
}

// remove deletes a message, also while the server stops.
func (s *Service) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeFor)
	defer cancel()
	err := s.store.Delete(ctx, id)
	if err == nil {
		delete(s.accepted, id)
	}
	return err
}

// postpone says when a message is due again, but not later than it expires.
func (s *Service) postpone(ctx context.Context, q *mail.Queued, due time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeFor)
	defer cancel()
	return s.store.Postpone(ctx, q.ID, min(due.Unix(), q.Expires))
}

// Waiting is a message that waits. Err says why it can't be read; the Request is then empty.
type Waiting struct {
	mail.Queued
	Request Request
	Err     error
}

// listBatch is how many messages are read at a time.
const listBatch = 200

// List returns the messages of a store that wait, in no particular order. It needs no sender.
func List(ctx context.Context, store mail.Store, keys *keyring.DataKeys) ([]Waiting, error) {
	s := &Service{store: store, keys: keys}
	var all []Waiting
	for after := ""; ; {
		page, err := store.List(ctx, after, listBatch)
		if err != nil || len(page) == 0 {
			return all, err
		}
		after = page[len(page)-1].ID
		for _, q := range page {
			w := Waiting{Queued: *q}
			l, err := s.open(ctx, q)
			w.Request, w.Err = l.Request, err
			all = append(all, w)
		}
	}
}

// Withdraw deletes the messages that wait and that which selects. One that is being sent is sent.
func (s *Service) Withdraw(ctx context.Context, which func(Request) bool) error {
	all, err := List(ctx, s.store, s.keys)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Err != nil || !which(w.Request) {
			continue
		}
		if err := s.store.Delete(ctx, w.ID); err != nil {
			return err
		}
	}
	return nil
}

// Column is what the outbox seals under the data key.
func Column(store mail.Store) keyring.Column { return column{store} }

type column struct{ store mail.Store }

func (c column) Purpose() string { return purpose }

func (c column) Values(ctx context.Context, after string, limit int) ([]keyring.Value, error) {
	page, err := c.store.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	var values []keyring.Value
	for _, q := range page {
		values = append(values, keyring.Value{ID: q.ID, Box: q.Body})
	}
	return values, nil
}

func (c column) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	return c.store.Replace(ctx, id, old, new)
}
