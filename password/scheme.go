package password

import "strings"

// scheme is one parsed hash. Implementations are comparable.
type scheme interface {
	verify(password string) bool
	weak() bool    // whether it should be replaced by a new hash
	cost() int64   // the work of a verification, in passes of Argon2 over 1 KiB
	weight() int64 // its memory, in units of that of a new hash
}

// parsers has the parsers of the known formats by their prefixes.
var parsers = []struct {
	prefix string
	parse  func(encoded string) (scheme, bool)
}{
	{"$argon2id$", parseArgon2id},
	{"pbkdf2_sha256$", parsePBKDF2},
	{"pbkdf2_sha1$", parsePBKDF2},
	{"argon2$", parseDjangoArgon2},
	{"bcrypt_sha256$", parseBcrypt},
	{"bcrypt$", parseBcrypt},
	{"scrypt$", parseScrypt},
	{"md5$", parseDigest},
	{"sha1$", parseDigest},
	{"", parseBareMD5},
}

// maxEncoded is the maximum length of an encoded hash, in bytes.
const maxEncoded = 512

func parse(encoded string) (scheme, bool) {
	if len(encoded) > maxEncoded {
		return nil, false
	}
	for _, p := range parsers {
		if strings.HasPrefix(encoded, p.prefix) {
			return p.parse(encoded)
		}
	}
	return nil, false
}
