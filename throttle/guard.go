// Package throttle slows the guessing of secrets, by name, account, device and address.
//
// A try is reserved before the secret is looked at, and settled afterwards, so that guesses made at the same time
// can't slip past the count together. The limits:
//
//   - 10 failures per name in 15 minutes, 10 per account whatever its names, and 10 per known device of an account;
//   - 100 failures per address in 15 minutes, whatever the names; an IPv6 address counts by its /64;
//   - after a limit is reached there is a wait of 1 minute and then one more try (an address: ten) before the next wait;
//     each wait within a day of the last is twice as long, up to 1 hour;
//   - 100 failures per name, account or known device of one, in a day without a success in between: from then on each
//     failure costs an hour.
//
// The last is for a patient guesser, who stays below the first limit. NIST SP 800-63B-4 section 3.2.2 would disable
// the password after 100 consecutive failures; anybody could then disable anybody's. Here a stranger has at most 100
// guesses a day at an account, and from the 101st in a row on 24 a day, for as long as a failure a day keeps the count
// alive.
//
// # What a refusal tells
//
// A guesser must not learn from refusals which names have an account, nor which two names have the same one. So a refusal
// depends on the name as it was typed (folded, so that all spellings are one) and on the address alone, and a name without
// an account is counted just like one with an account. But most accounts have two names, a username and an e-mail
// address, and a guesser who uses both must not have twice the tries. So the account is counted too, in silence: once its
// limit is reached, further tries under its other name are reserved as usual and are [Try.Barred]. The caller does the same
// work and gives the same answer as for a wrong secret, even if the secret is right.
//
// One thing stays visible: a sign-in that succeeds forgets the failures under the name that was typed. A guesser who keeps
// a name just below its limit can notice that somebody signed in by that name on a browser that was new to the account.
//
// # Known devices
//
// A known device is one that has signed in to this account before. Its tries count by themselves, and none of the other
// counts stands in its way, so that no stranger can lock out the owner: not by failing on purpose, and not by sharing a
// network. The caller bounds how many devices of one account there are. A device opens no way around the address's limit,
// since it is known to one account only.
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

// Guard counts tries. It is safe for concurrent use, provided that its fields don't change, and so are any number of
// Guards over one Store, in one process or many. A Guard must not be copied once it is in use.
type Guard struct {
	Store Store // required: Reserve and Purge panic without one. Counters survive a restart if it keeps them

	// Key makes the names of the counters, so that the store shows neither usernames nor addresses. Another key
	// forgets every count. Nil: plain SHA-256, which hides nothing from who can list the likely names.
	Key []byte

	open openTries
	late late
}

// Attempt says who is trying. Name, Account and Address must not all be missing.
type Attempt struct {
	// Name is the name that was typed, folded so that all its spellings are one text, whether it has an account or not.
	// "": no name was typed.
	Name string

	// Account is one text per account, such as the user's ID. "": Name has no account. With a Name its limit is kept in
	// silence (see [Try.Barred]); without one, or if SignedIn, Reserve refuses by it.
	Account string

	// SignedIn says that the client is signed in to Account already, so that the account's limit is no secret to it.
	SignedIn bool

	// Address is the client's. The zero Addr isn't counted.
	Address netip.Addr

	// Device names a device that has proved to be known to Account. "" for all others. Without an Account it is
	// ignored; with one it is all that counts.
	Device string
}

// Error says that there were too many failures; the secret must not be looked at.
type Error struct {
	RetryAfter time.Duration // at least a second; whole seconds
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

// Reserve counts a try as failed until it is settled. The caller looks at the secret only if the error is nil, and
// settles the Try with exactly one of its methods. The error is an *[Error] if the limit has been reached; such a try is
// counted nowhere and doesn't prolong the wait. Any other error means that the store couldn't answer.
//
// A limit that is reached only together with tries of this Guard that aren't settled yet decides nothing: Reserve waits
// until enough of them are given back, or all have failed, or ctx ends. So any number of right secrets may be shown at
// once. Tries of other processes aren't waited for.
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

// reserve asks the store once. If the error is an *Error, the Try can only be waited for; with any other error there is
// none. held is what [openTries.wait] returned.
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

// take counts the try, unless a count that is shown has reached its limit. A silent one that has reached it stays as it
// is, and bars the try.
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

// Purge forgets the counters that no longer say anything, in batches small enough not to hold up a try. It returns nil
// when none is left, or the first error of the store.
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

// count is one counter's part in a try.
type count struct {
	key           string
	limit         *limit
	silent        bool // its limit shows in no refusal
	taken         bool // it has counted this try
	before, after Counter
}

// counts names the counters of an attempt. They come in the same order for everybody, so that a store that locks them
// one by one can't deadlock. A name has as many with an account as without, so that both cost the same.
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
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return count{key: g.name("address", addr.String()), limit: &spraying}
}

// name makes the key of a counter. The lengths go in too: without them, ("ab", "c") would be ("a", "bc").
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
