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

	"github.com/cloakroom-auth/cloakroom/internal/assistant"
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

	// Program is the path and the arguments of a program that calls [Assist]. It computes the hashes in a process of the
	// lowest priority, so that those who are signed in hardly notice those who sign in. nil: this process does.
	Program []string

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
	answer, err := h.ask(ctx, 1, assistant.Question{Kind: assistant.Make, Password: password, Salt: string(salt)})
	return answer.Encoded, err
}

// Verify compares a password with an encoded hash. *[BusyError], or the error of ctx while waiting.
//
// What can't match costs the same work as what could: an encoded hash that is empty, marked as unusable or not
// understood, and a password that is blank or over MaxLength bytes. A hash that is cheaper than the Standard is topped up
// to its cost; one that is dearer shows. A password that isn't in the form NFC costs twice as much, whoever's it is.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	if len(password) > MaxLength || strings.TrimSpace(password) == "" {
		encoded, password = "", "no password"
	}
	stored, _ := work{standard: h.Standard}.parse(encoded)
	answer, err := h.ask(ctx, stored.weight(), assistant.Question{Password: password, Encoded: encoded, Standard: h.Standard})
	if err != nil {
		return Result{}, err
	}
	return Result{Match: answer.Match, Weak: answer.Match && stored.weak()}, nil
}

// ask has a question answered when its turn has come.
func (h *Hasher) ask(ctx context.Context, weight int64, q assistant.Question) (answer assistant.Answer, err error) {
	err = h.run(ctx, weight, func() error {
		if answer, err = h.answer(q); err != nil {
			return err
		}
		h.pool.spent.Add(answer.Spent)
		return nil
	})
	return answer, err
}

func (h *Hasher) answer(q assistant.Question) (assistant.Answer, error) {
	if p := h.started().process; p != nil {
		return p.Ask(q)
	}
	return compute(q)
}
