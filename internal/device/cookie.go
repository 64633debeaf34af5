package device

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// The bound cookie is "<end>.<MAC>": the Unix time from which on it counts for nothing, and the HMAC-SHA256 of that, of the
// public ID of the session, which a rotation of its ticket keeps, and of the key that the session is bound to. It opens nothing
// without the ticket.

// cookie returns the cookie of the present generation.
func (s *Service) cookie(id string, b *binding, now int64) *http.Cookie {
	end := b.Refreshed + int64(ProofLifetime/time.Second)
	c := &http.Cookie{
		Name: CookieName, Value: strconv.FormatInt(end, 10) + "." + cookieMAC(s.Keys()[0], id, b, end), Path: "/",
		HttpOnly: true, Secure: true, SameSite: cmp.Or(s.SameSite, http.SameSiteLaxMode),
	}
	c.MaxAge = max(int(end-now-int64(cookieMargin/time.Second)), 1)
	return c
}

func cookieMAC(key []byte, id string, b *binding, end int64) string {
	return seal(key, "cookie", id, b.thumbprint(), end)
}

// seal returns a MAC for one of the two purposes of a key. Each part is preceded by its length, so that no two inputs are the same.
func seal(key []byte, purpose, id string, about []byte, end int64) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(purpose), []byte(id), about} {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(part)))
		mac.Write(part)
	}
	_ = binary.Write(mac, binary.BigEndian, end)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// verified is a cookie that was found right. The next request with it costs a comparison instead of a MAC. It never changes.
type verified struct {
	session, binding, value string
	end                     int64
}

var verifiedSeed = maphash.MakeSeed()

// Prove implements session.DeviceBinder. Two bound cookies are none.
func (s *Service) Prove(r *session.Record, h http.Header, now int64) (until int64) {
	value, ok := boundCookie(h)
	if !ok {
		return 0
	}
	slot := &s.verified[maphash.String(verifiedSeed, r.PublicID)%uint64(len(s.verified))]
	v := slot.Load()
	if v == nil || v.session != r.PublicID || v.binding != r.Binding || !equal(v.value, value) {
		end := s.open(r, value)
		if end == 0 {
			return 0
		}
		v = &verified{r.PublicID, r.Binding, strings.Clone(value), end}
		slot.Store(v)
	}
	if now >= v.end {
		return 0
	}
	return v.end
}

// open returns the end of a cookie; 0 if it isn't one of this session and its key.
func (s *Service) open(r *session.Record, value string) int64 {
	text, mac, ok := strings.Cut(value, ".")
	end, err := strconv.ParseInt(text, 10, 64)
	b, damaged := decode(r.Binding)
	if !ok || err != nil || damaged != nil || b == nil {
		return 0
	}
	for _, key := range s.Keys() {
		if equal(mac, cookieMAC(key, r.PublicID, b, end)) {
			return end
		}
	}
	return 0
}

// equal compares in a time that doesn't depend on where the texts differ, and without the allocation of crypto/subtle's slices.
func equal(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var differ byte
	for i := range len(a) {
		differ |= a[i] ^ b[i]
	}
	return differ == 0
}

// boundCookie returns the value of the only cookie with the name. Names are compared as they are, which the parser of net/http
// doesn't do.
func boundCookie(h http.Header) (value string, ok bool) {
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, v, _ := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if name != CookieName {
				continue
			}
			if ok {
				return "", false
			}
			value, ok = strings.TrimRight(v, " "), true
		}
	}
	return value, ok
}
