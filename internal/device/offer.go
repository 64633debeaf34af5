package device

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// An offer's challenge is "<random>.<end>.<MAC>", with a MAC of the first two and of the public ID of the session. So the server
// recognises its own challenges and keeps none, and a challenge counts for the session of the answer that it was in. The
// registration that takes it is kept with the session, and spends it.

// Offer implements session.DeviceBinder.
func (s *Service) Offer(h http.Header, r *session.Record) {
	h.Set("Secure-Session-Registration", fmt.Sprintf(`(ES256 RS256);path="%s";challenge="%s"`, RegisterPath, s.newOffer(r.PublicID, time.Now())))
}

// Withdraw removes the offer from the headers of an answer that must not begin a session after all.
func Withdraw(h http.Header) { h.Del("Secure-Session-Registration") }

func (s *Service) newOffer(id string, now time.Time) string {
	random, end := rand.Text(), now.Add(offerLife).Unix()
	return random + "." + strconv.FormatInt(end, 10) + "." + seal(s.Keys()[0], "offer", id, []byte(random), end)
}

// checkOffer returns an error unless the challenge is of an offer for the session, and not too old.
func (s *Service) checkOffer(id, challenge string, now time.Time) error {
	random, rest, _ := strings.Cut(challenge, ".")
	text, mac, _ := strings.Cut(rest, ".")
	end, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return refusal("its challenge is not one of ours")
	}
	for _, key := range s.Keys() {
		if !equal(mac, seal(key, "offer", id, []byte(random), end)) {
			continue
		}
		if now.Unix() >= end {
			return refusal("its challenge is too old")
		}
		return nil
	}
	return refusal("its challenge was not offered to this session")
}
