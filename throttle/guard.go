// Package throttle slows the guessing of secrets, by account, device and address.
//
// A try is reserved before the secret is looked at, and settled afterwards, so that guesses made at the same time
// can't slip past the count together. The limits:
//
//   - 10 failures per account in 15 minutes, and 10 per known device of an account;
//   - 100 failures per address in 15 minutes, whatever the accounts; an IPv6 address counts by its /64;
//   - whoever reaches a limit waits 1 minute and then has one more try (an address: ten) before the next wait; each wait
//     within a day of the last is twice as long, up to 1 hour;
//   - 100 failures per account, or known device of one, in a day without a success in between: from then on each
//     failure costs an hour.
//
// The last is for a patient guesser, who stays below the first limit. NIST SP 800-63B-4 section 3.2.2 would disable
// the password after 100 consecutive failures; anybody could then disable anybody's. Here a stranger has at most 100
// guesses a day at an account, and from the 101st in a row on 24 a day, for as long as a failure a day keeps the count
// alive.
//
// A known device is one that has signed in to this account before. Its tries count by themselves, and neither the
// account's count nor the address's stands in its way, so that no stranger can lock out the owner: not by failing on
// purpose, and not by sharing a network. It opens no way around the address's limit either, since a device is known to
// one account only.
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
// Guards over one Store, in one process or many.
type Guard struct {
	Store Store // required; what survives a restart is what it keeps

	// Key makes the names of the counters, so that the store shows neither usernames nor addresses. Another key
	// forgets every count. Nil: plain SHA-256, which hides nothing from who can list the likely names.
	Key []byte
}

// Attempt says who is trying. Account and Address must not both be missing.
type Attempt struct {
	// Account is one text per account, however it was typed: the user's ID when the account is known, else a folded
	// form of the name. Accounts that don't exist are counted like all others. "": only the address counts.
	Account string

	// Address is the client's. The zero Addr isn't counted.
	Address netip.Addr

	// Device names a device that has proved to be known to Account. "" for all others. Without an Account it is
	// ignored.
	Device string
}

// Error says that there were too many failures; the secret must not be looked at.
type Error struct {
	RetryAfter time.Duration // at least a second; whole seconds
}

func (e *Error) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %v", e.RetryAfter)
}

// Reserve counts a try as failed until it is settled. The caller looks at the secret only if the error is nil, and
// settles the Try with exactly one of its methods. The error is an *[Error] if the limit has been reached; such a try is
// counted nowhere and doesn't prolong the wait. Any other error means that the store couldn't answer.
func (g *Guard) Reserve(ctx context.Context, a Attempt) (*Try, error) {
	counts := g.counts(a)
	if len(counts) == 0 {
		return nil, errors.New("throttle: an attempt by nobody from nowhere")
	}
	t := &Try{store: g.Store, keys: make([]string, len(counts)), counts: counts}
	for i, c := range counts {
		t.keys[i] = c.key
	}
	err := g.Store.Update(ctx, t.keys, func(counters []Counter) error {
		return reserve(counters, counts, time.Now().Unix())
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func reserve(counters []Counter, counts []count, now int64) error {
	var wait int64
	for i := range counters {
		wait = max(wait, counters[i].wait(now))
	}
	if wait > 0 {
		return &Error{RetryAfter: time.Duration(wait) * time.Second}
	}
	for i := range counters {
		counts[i].before = counters[i]
		counters[i].take(counts[i].limit, now)
		counts[i].after = counters[i]
	}
	return nil
}

// Purge forgets the counters that no longer say anything, in batches small enough not to hold up a try. It returns nil
// when none is left, or the first error of the store.
func (g *Guard) Purge(ctx context.Context) error {
	const batch = 500
	now := time.Now().Unix()
	for {
		n, err := g.Store.DeleteExpired(ctx, now, batch)
		if err != nil || n < batch {
			return err
		}
	}
}

// count is one counter's part in a try.
type count struct {
	key           string
	limit         *limit
	before, after Counter
}

// counts names the counters of an attempt. They come in the same order for everybody, so that a store that locks them
// one by one can't deadlock.
func (g *Guard) counts(a Attempt) []count {
	switch {
	case a.Account != "" && a.Device != "":
		return []count{
			{key: g.name("device", a.Account, a.Device), limit: &hasty},
			{key: g.name("device-day", a.Account, a.Device), limit: &patient},
		}
	case a.Account != "" && a.Address.IsValid():
		return append(g.account(a.Account), g.address(a.Address))
	case a.Account != "":
		return g.account(a.Account)
	case a.Address.IsValid():
		return []count{g.address(a.Address)}
	}
	return nil
}

func (g *Guard) account(account string) []count {
	return []count{
		{key: g.name("account", account), limit: &hasty},
		{key: g.name("account-day", account), limit: &patient},
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
