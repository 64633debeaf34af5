// Package password makes and verifies encoded password hashes, and holds the policy for new passwords.
//
// New hashes are argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet), in the PHC string
// format. Hashes of other programs are verified too, and reported as weak so that they can be replaced at the next
// sign-in: argon2id with other parameters, and all that Django has made since its first version but crypt's.
//
// A password is Unicode: it is brought into the form NFC before it is hashed (NIST SP 800-63B-4, section 3.1.1.2), never
// cut, and its blanks and case count. Other programs have made their hashes from the bytes as they came, so these are
// tried as well.
package password

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// MaxLength is the longest password that is looked at, in bytes.
const MaxLength = 1024

// Hasher computes hashes in a bounded pool, so that a flood of sign-ins takes neither all memory nor all processors. Set
// its fields before first use; the zero value is ready. Safe for concurrent use.
type Hasher struct {
	// Workers is how many hashes are computed at the same time, each with about 20 MB of memory. A hash of another
	// program that needs more takes the place of as many as its memory would serve, at most of all.
	// 0: one for each of GOMAXPROCS but one, and at least one, so that Go always has a processor for other requests.
	Workers int

	// Wait is the longest that a caller waits for its turn; who would have to wait longer is refused, where that can
	// be told at once. 0: half a second.
	Wait time.Duration

	// Standard is an encoded hash whose work each verification comes to, at the least: what can't match costs as much,
	// and cheaper hashes are topped up. It should be as the hashes of most users are. "": those that Hash makes.
	Standard string

	pool pool
}

// BusyError says that the pool has no room. Nothing was computed.
type BusyError struct {
	RetryAfter time.Duration
}

func (e *BusyError) Error() string { return "too many passwords are being verified" }

// Result is what a verification found.
type Result struct {
	Match bool
	Weak  bool // the hash should be replaced by one that Hash makes; only set with Match
}

// Hash returns the encoded hash of a password, whatever [Policy] makes of it; no password that is blank or longer than
// MaxLength will ever match. *[BusyError], or the error of ctx while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	var encoded string
	err := h.run(ctx, 1, func() {
		h.pool.spent.Add(current.cost())
		encoded = current.encode(norm.NFC.String(password), string(salt))
	})
	return encoded, err
}

// Verify compares a password with an encoded hash. *[BusyError], or the error of ctx while waiting.
//
// What can't match costs the same work as what could: an encoded hash that is empty, marked as unusable or not
// understood, and a password that is blank or over MaxLength bytes. A hash that is cheaper than the Standard is topped up
// to its cost; one that is dearer shows. A password that isn't in the form NFC costs twice as much, whoever's it is.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	standard := h.standard()
	stored, ok := parse(encoded)
	if !ok {
		stored = standard
	}
	if len(password) > MaxLength || strings.TrimSpace(password) == "" {
		stored, ok, password = standard, false, "no password"
	}
	var match bool
	err := h.run(ctx, stored.weight(), func() { match = h.compare(stored, password) && ok })
	if err != nil {
		return Result{}, err
	}
	return Result{Match: match, Weak: match && stored.weak()}, nil
}

func (h *Hasher) standard() scheme {
	if s, ok := parse(h.Standard); ok {
		return s
	}
	return dummy
}

// compare tries the password composed and, where that is something else, as it came.
func (h *Hasher) compare(stored scheme, password string) bool {
	composed := norm.NFC.String(password)
	match := h.compareOnce(stored, composed)
	if composed != password {
		match = h.compareOnce(stored, password) || match
	}
	return match
}

func (h *Hasher) compareOnce(stored scheme, password string) bool {
	match := stored.verify(password)
	h.pool.spent.Add(stored.cost())
	if missing := h.standard().cost() - stored.cost(); missing > 0 {
		padding(missing).verify(password)
		h.pool.spent.Add(missing)
	}
	return match
}
