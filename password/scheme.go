package password

import "strings"

// scheme is one parsed hash. Its kinds can be compared with ==.
type scheme interface {
	verify(password string) bool
	weak() bool    // should be replaced by a current one
	cost() int64   // the work of a verification, in passes over 1 KiB of Argon2's
	weight() int64 // its memory, in units of a current one's
}

// parsers is the table of the forms that are understood, by how they begin.
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

// maxEncoded bounds what is parsed, in bytes.
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
