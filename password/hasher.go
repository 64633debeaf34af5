// Package password makes and verifies encoded password hashes, and has the policy for new passwords.
//
// New hashes are argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet), in the PHC string
// format. Hashes of other programs are verified too: argon2id with other parameters, and every format that Django has had
// since its first version except crypt. They are reported as weak, so that they can be replaced at the next sign-in.
//
// A password is Unicode: it is normalised to NFC before it is hashed (NIST SP 800-63B-4, section 3.1.1.2) and never
// truncated; spaces and case count. Other programs hash the bytes as they arrive, so their hashes are also compared with the
// unnormalised bytes.
package password

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// MaxLength is the maximum length of a password, in bytes. Verify matches no longer one.
const MaxLength = 1024

// Hasher computes hashes in a bounded pool, so that a flood of sign-ins exhausts neither memory nor processors. Set its
// fields before first use; the zero value is ready. Safe for concurrent use.
type Hasher struct {
	// Workers is the maximum number of hashes computed at the same time, each with about 20 MB of memory. A hash of another
	// program that needs more memory takes the room of several, at most of all. 0: GOMAXPROCS less one, and at least one, so
	// that a processor stays free for other requests.
	Workers int

	// Wait is the maximum time that a caller waits for its turn. A caller that would wait longer gets a *[BusyError], at
	// once if the length of the queue shows it. 0: 10 seconds.
	Wait time.Duration

	// MinimumCost is an encoded hash whose cost is the minimum of every verification, so that timing doesn't reveal whether
	// an account exists: for cheaper hashes and input that can't match, the rest of the cost is spent on a dummy hash. Set
	// it to a hash with the parameters that most users' hashes have. "": the parameters of new hashes.
	MinimumCost string

	pool pool
}

// BusyError says that the pool is full. Nothing was computed.
type BusyError struct {
	RetryAfter time.Duration
}

func (e *BusyError) Error() string { return "too many passwords are being verified" }

// Result is the outcome of a verification.
type Result struct {
	Match    bool
	Outdated bool // the hash should be replaced by one that Hash makes; only set with Match
}

// Hash returns the encoded hash of a password. It doesn't apply a [Policy], but a password that is blank or longer than
// MaxLength never matches its hash. Errors: *[BusyError], or the error of ctx while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (encoded string, err error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	err = h.run(ctx, 1, func() error {
		encoded = current.encode(norm.NFC.String(password), string(salt))
		h.pool.spent.Add(current.cost())
		return nil
	})
	return encoded, err
}

// Verify compares a password with an encoded hash. Errors: *[BusyError], or the error of ctx while waiting.
//
// Input that can't match costs the same work as input that can: an encoded hash that is empty, marked as unusable or
// malformed, and a password that is blank or longer than MaxLength. A hash cheaper than MinimumCost costs as much as
// MinimumCost; a more expensive one takes longer. A password that isn't in NFC costs twice as much, whether or not the
// account exists.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (r Result, err error) {
	if len(password) > MaxLength || strings.TrimSpace(password) == "" {
		encoded, password = "", "no password"
	}
	v := verification{minimum: minimum(h.MinimumCost)}
	stored, ok := parse(encoded)
	if !ok {
		stored = v.minimum
	}
	err = h.run(ctx, stored.weight(), func() error {
		r.Match = v.compare(stored, password) && ok
		h.pool.spent.Add(v.spent)
		return nil
	})
	r.Outdated = r.Match && stored.weak()
	return r, err
}

// minimum returns the scheme of Hasher.MinimumCost.
func minimum(encoded string) scheme {
	if s, ok := parse(encoded); ok {
		return s
	}
	return dummy
}

// verification compares one password, and counts the work.
type verification struct {
	minimum scheme
	spent   int64
}

// compare tries the password in NFC and, if that differs, as it was given.
func (v *verification) compare(stored scheme, password string) bool {
	composed := norm.NFC.String(password)
	match := v.compareOnce(stored, composed)
	if composed != password {
		match = v.compareOnce(stored, password) || match
	}
	return match
}

func (v *verification) compareOnce(stored scheme, password string) bool {
	match := stored.verify(password)
	v.spent += stored.cost()
	if missing := v.minimum.cost() - stored.cost(); missing > 0 {
		padding(missing).verify(password)
		v.spent += missing
	}
	return match
}
