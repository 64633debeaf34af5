// Package password makes and verifies encoded password hashes, and holds the policy for new passwords.
//
// New hashes are argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet), in the PHC string
// format. Hashes of other programs are verified too, and reported as weak so that they can be replaced at the next
// sign-in: argon2id with other parameters, and Django's pbkdf2_sha256.
//
// A password is Unicode: it is brought into the form NFC before it is hashed (NIST SP 800-63B-4, section 3.1.1.2), never
// cut, and its blanks and case count. Hashes of other programs are tried with the bytes as they came first.
package password

import (
	"context"
	"crypto/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"
)

// MaxLength is the longest password that is looked at, in bytes.
const MaxLength = 1024

// Hasher computes hashes in a bounded pool, so that a flood of sign-ins takes neither all memory nor all processors. Set
// its fields before first use; the zero value is ready. Safe for concurrent use.
type Hasher struct {
	// Workers is how many hashes are computed at the same time, each with about 20 MB of memory. 0: one for each
	// processor but one, and at least one, so that requests that hash nothing are answered meanwhile.
	Workers int

	// Wait is the longest that a caller waits for its turn; who would wait longer is refused at once. 0: 300 ms.
	Wait time.Duration

	once    sync.Once
	pool    *semaphore.Weighted
	workers int64
	waiting atomic.Int64
	cost    atomic.Int64 // nanoseconds that a hash takes of late
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

// Hash returns the encoded hash of a password. *BusyError, or the error of ctx while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	var encoded string
	err := h.run(ctx, 1, func() { encoded = current.encode(norm.NFC.String(password), salt) })
	return encoded, err
}

// Verify compares a password with an encoded hash. *BusyError, or the error of ctx while waiting.
//
// What can't match costs the same work as what could: an encoded hash that is empty, marked as unusable or not
// understood, and a password that is empty or over MaxLength bytes. A hash that is cheaper than those made today is
// topped up with the work of one of today's when the password is wrong; a dearer one shows.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	stored, ok := parse(encoded)
	if !ok {
		stored = dummy
	}
	if len(password) > MaxLength {
		stored, password = dummy, "too long a password"
	}
	var match bool
	err := h.run(ctx, stored.weight(), func() {
		match = verify(stored, password) && stored != dummy
		if !match && stored.cheap() {
			dummy.verify(password)
		}
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Match: match, Weak: match && stored.weak()}, nil
}

func verify(s scheme, password string) bool {
	composed := norm.NFC.String(password)
	if s.imported() && composed != password && s.verify(password) {
		return true
	}
	return s.verify(composed)
}

// run waits for as much room as weight says and then computes.
func (h *Hasher) run(ctx context.Context, weight int64, compute func()) error {
	h.once.Do(h.start)
	weight = min(weight, h.workers)
	if err := h.enter(ctx, weight); err != nil {
		return err
	}
	defer h.pool.Release(weight)
	began := time.Now()
	compute()
	spent := time.Since(began).Nanoseconds() / weight
	h.cost.Store((7*h.cost.Load() + spent) / 8)
	return nil
}

func (h *Hasher) start() {
	h.workers = int64(h.Workers)
	if h.workers <= 0 {
		h.workers = int64(max(1, runtime.GOMAXPROCS(0)-1))
	}
	h.pool = semaphore.NewWeighted(h.workers)
	h.cost.Store((25 * time.Millisecond).Nanoseconds())
}

func (h *Hasher) wait() time.Duration {
	if h.Wait == 0 {
		return 300 * time.Millisecond
	}
	return h.Wait
}

// enter refuses at once whoever would not be served within the wait, going by what hashes have taken of late.
func (h *Hasher) enter(ctx context.Context, weight int64) error {
	ahead := h.waiting.Add(1) - 1
	defer h.waiting.Add(-1)
	if time.Duration(ahead*h.cost.Load()/h.workers) > h.wait() {
		return &BusyError{RetryAfter: retryAfter}
	}
	waiting, cancel := context.WithTimeout(ctx, h.wait())
	defer cancel()
	if err := h.pool.Acquire(waiting, weight); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &BusyError{RetryAfter: retryAfter}
	}
	return nil
}

const retryAfter = 2 * time.Second
