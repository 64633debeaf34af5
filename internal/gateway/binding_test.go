package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

type anyProof struct{}

func (anyProof) Offer(http.Header, *session.Record) {}

func (anyProof) Prove(_ *session.Record, _ http.Header, now int64) int64 { return now + 300 }

// TestAnEndlessAnswerToABoundSessionIsCutWhenItsProofIsOver: a copied pair of cookies keeps no WebSocket open.
func TestAnEndlessAnswerToABoundSessionIsCutWhenItsProofIsOver(t *testing.T) {
	t.Attr("threat", "DB10")
	synctest.Test(t, func(t *testing.T) {
		checked := func(device session.DeviceBinder, bound bool) *auth.Identity {
			m := &session.Manager{Store: memory.New().Sessions, Device: device}
			w := httptest.NewRecorder()
			s, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: "ada", Method: "password"})
			if err != nil {
				t.Fatal(err)
			}
			err = m.ChangeBinding(t.Context(), s.ID, func(r *session.Record) error { r.Bound = bound; r.Binding = "key"; return nil })
			if err != nil {
				t.Fatal(err)
			}
			_, ok, err := m.Recheck(t.Context(), s)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			all, err := m.List(t.Context(), "ada")
			if err != nil || len(all) != 1 {
				t.Fatal(len(all), err)
			}
			return &auth.Identity{Session: all[0]}
		}
		bound := checked(anyProof{}, true)
		for _, c := range []struct {
			what    string
			who     *auth.Identity
			proven  time.Duration // from now; 0: never
			endless bool
			after   time.Duration
			want    [2]bool
		}{
			{"before its proof is over", bound, 5 * time.Minute, true, 4 * time.Minute, [2]bool{false, false}},
			{"after that", bound, 5 * time.Minute, true, 5 * time.Minute, [2]bool{false, true}},
			{"an answer with an end", bound, 5 * time.Minute, false, 5 * time.Minute, [2]bool{false, false}},
			{"bound since it began", bound, 0, true, 9 * time.Minute, [2]bool{false, false}},
			{"bound since it began, for long", bound, 0, true, 10 * time.Minute, [2]bool{false, true}},
			{"not bound", checked(anyProof{}, false), 0, true, time.Hour, [2]bool{false, false}},
			{"bound, where no session is bound any more", checked(nil, true), 0, true, time.Hour, [2]bool{false, false}},
			{"a token", &auth.Identity{}, 0, true, time.Hour, [2]bool{false, false}},
		} {
			var proven time.Time
			if c.proven > 0 {
				proven = time.Now().Add(c.proven)
			}
			if first, then := gateway.Unproven(c.who, proven, c.endless, c.after); [2]bool{first, then} != c.want {
				t.Errorf("%s: cut %v, then %v, want %v", c.what, first, then, c.want)
			}
		}
	})
}
