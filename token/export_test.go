package token

// Checksum returns the last six characters of a personal token.
func Checksum(text string) string { return checksum(text) }
