// Package throttle slows the guessing of secrets, by name, account, device and address.
//
// A try is reserved before the secret is checked and settled afterwards, so that parallel guesses can't exceed the limits:
//
//   - 10 failures per name in 15 minutes, 10 per account under any of its names, and 10 per known device of an account;
//   - 100 failures per address in 15 minutes, for any names; an IPv6 address counts by its /64;
//   - after a limit is reached there is a wait of 1 minute and then one more try (an address: ten) before the next wait;
//     each wait within a day of the last is twice as long, up to 1 hour;
//   - 100 failures per name, account or known device of one, in a day without a success in between: from then on each
//     failure costs an hour.
//
// The last limit is for a patient attacker who stays below the first. NIST SP 800-63B-4 section 3.2.2 would disable the
// password after 100 consecutive failures, which would let any stranger disable any account. Here a stranger has at most 100
// guesses a day at an account, and from the 101st in a row 24 a day, as long as there is a failure every day.
//
// # What a refusal reveals
//
// An attacker must not learn from refusals which names have an account, or which two names have the same one. So a refusal
// depends only on the name as it was typed (folded, so that all spellings are equal) and on the address, and a name without
// an account is counted like one with an account. But most accounts have two names, a username and an e-mail address, and an
// attacker who uses both must not have twice the tries. So failures are also counted per account, silently: once that limit
// is reached, further tries under the account's other name are reserved as usual and are [Try.SilentlyLimited]. The caller does the
// same work and gives the same answer as for a wrong secret, even if the secret is right.
//
// One thing stays visible: a successful sign-in resets the failures of the name that was typed. An attacker who keeps a name
// just below its limit can notice that the user signed in with that name from a browser that was new to the account.
//
// # Known devices
//
// A known device has signed in to this account before. Its tries are counted separately, and no other limit applies to them,
// so that a stranger can't lock out the owner by failing on purpose or by sharing a network. The caller limits how many
// devices an account has. A device is no way around the limit of the address, since it is known to only one account.
package throttle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Guard counts tries. It is safe for concurrent use if its fields don't change, and so are any number of Guards with one
// Store, in one process or many. A Guard must not be copied after first use.
type Guard struct {
	Store Store // required: Reserve and Purge panic without one

	// Key is the key of the HMAC that names the counters, so that the store contains neither usernames nor addresses. A new
	// key resets all counts. nil: plain SHA-256, which doesn't protect names that can be guessed.
	Key []byte

	open openTries
	late late
}

// Attempt says who tries. At least one of Name, Account and Address must be set.
type Attempt struct {
	// Name is the name that was typed, folded so that all its spellings are equal, whether or not it has an account. "": no
	// name was typed.
	Name string

	// Account identifies the account, such as the user's ID. "": Name has no account. With a Name its limit is silent (see
	// [Try.SilentlyLimited]); without one, or if SignedIn, Reserve refuses by it.
	Account string

	// SignedIn says that the client is already signed in to Account, so that the account's limit may be revealed to it.
	SignedIn bool

	// Address is the client's address. The zero Addr isn't counted.
	Address netip.Addr

	// Device identifies a device that is known to Account; "" for all others. Without an Account it is ignored; with one,
	// only the device's tries are counted.
	Device string
}

// Error says that there were too many failures. The caller must not check the secret.
type Error struct {
	RetryAfter time.Duration // whole seconds, at least one
}

func (e *Error) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %v", e.RetryAfter)
}

func (g *Guard) store() Store {
	if g == nil || g.Store == nil {
		panic("throttle: Guard.Store is nil; give it a store, such as that of package sqlite")
	}
	return g.Store
}

// Reserve counts a try as failed until it is settled. The caller checks the secret only if the error is nil, and then calls
// one method of the Try to settle it. The error is an *[Error] if a limit has been reached; such a try is not counted and
// doesn't prolong the wait. Any other error means that the store couldn't answer.
//
// If a limit is reached only because of unsettled tries of this Guard, Reserve waits until enough of them are given back, or
// all have failed, or ctx ends. So any number of right secrets may be checked at once. It doesn't wait for tries of other
// processes.
func (g *Guard) Reserve(ctx context.Context, a Attempt) (*Try, error) {
	_ = g.store() // fail before anything waits
	counts := g.counts(a)
	if len(counts) == 0 {
		return nil, errors.New("throttle: an attempt without name, account and address")
	}
	held := ""
	for {
		t, err := g.reserve(ctx, counts, held)
		full, refused := errors.AsType[*Error](err)
		if !refused {
			return t, err
		}
		again := false
		if again, held, err = g.open.wait(ctx, t.shown, t.seen, t.full); err != nil {
			return nil, err
		}
		if !again {
			return nil, full
		}
	}
}

// reserve asks the store once. If the error is an *Error, the Try is only good for waiting; with any other error it is nil.
// held is what [openTries.wait] returned.
func (g *Guard) reserve(ctx context.Context, counts []count, held string) (*Try, error) {
	t := &Try{guard: g, keys: make([]string, len(counts)), counts: counts}
	for i, c := range counts {
		t.keys[i] = c.key
		if !c.silent {
			t.shown = append(t.shown, c.key)
		}
	}
	t.seen = g.open.enter(t.shown)
	if held != "" {
		g.open.leave([]string{held}, false)
	}
	err := g.store().Update(ctx, t.keys, func(counters []Counter) error {
		return t.take(counters, time.Now().Unix())
	})
	if err == nil {
		return t, nil
	}
	if _, refused := errors.AsType[*Error](err); refused {
		return t, err
	}
	g.open.leave(t.shown, false)
	return nil, err
}

// take counts the try, unless a counter that isn't silent has reached its limit. A silent counter at its limit doesn't
// change, and bars the try.
func (t *Try) take(counters []Counter, now int64) error {
	var wait int64
	t.full, t.barred = nil, false
	for i, c := range t.counts {
		left := counters[i].wait(now)
		if left == 0 {
			continue
		}
		if c.silent {
			t.barred = true
			continue
		}
		t.full = append(t.full, c.key)
		wait = max(wait, left)
	}
	if wait > 0 {
		return &Error{RetryAfter: time.Duration(wait) * time.Second}
	}
	for i := range counters {
		c := &t.counts[i]
		c.taken = !c.silent || !t.barred
		if !c.taken {
			continue
		}
		c.before = counters[i]
		counters[i].take(c.limit, now)
		c.after = counters[i]
	}
	return nil
}

// Purge deletes the counters that have ended, in batches small enough not to delay tries. It returns nil when none is left,
// or the first error of the store.
func (g *Guard) Purge(ctx context.Context) error {
	const batch = 500
	now := time.Now().Unix()
	for {
		n, err := g.store().DeleteExpired(ctx, now, batch)
		if err != nil || n < batch {
			return err
		}
	}
}

// count is one counter of a try.
type count struct {
	key           string
	limit         *limit
	silent        bool // its limit causes no refusal
	taken         bool // this try has been added to it
	before, after Counter
}

// counts returns the counters of an attempt. Their order is always the same, so that a store that locks them one by one
// can't deadlock. A name has as many counters with an account as without, so that both cost the same.
func (g *Guard) counts(a Attempt) []count {
	if a.Account != "" && a.Device != "" {
		return []count{
			{key: g.name("device", a.Account, a.Device), limit: &hasty},
			{key: g.name("device-day", a.Account, a.Device), limit: &patient},
		}
	}
	var counts []count
	switch {
	case a.Account != "":
		counts = g.pair("account", a.Account)
	case a.Name != "":
		counts = g.pair("none", a.Name)
	}
	if a.Name != "" {
		for i := range counts {
			counts[i].silent = !a.SignedIn
		}
		counts = append(counts, g.pair("name", a.Name)...)
	}
	if a.Address.IsValid() {
		counts = append(counts, g.address(a.Address))
	}
	return counts
}

func (g *Guard) pair(kind, of string) []count {
	return []count{
		{key: g.name(kind, of), limit: &hasty},
		{key: g.name(kind+"-day", of), limit: &patient},
	}
}

func (g *Guard) address(addr netip.Addr) count {
	return count{key: g.name("address", network(addr).String()), limit: &spraying}
}

func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// name returns the key of a counter. It includes the lengths, so that ("ab", "c") and ("a", "bc") differ.
func (g *Guard) name(kind string, parts ...string) string {
	h := sha256.New()
	if g.Key != nil {
		h = hmac.New(sha256.New, g.Key)
	}
	h.Write([]byte(kind))
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return kind + "/" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
