package token

// Checksum is what a personal token ends with.
func Checksum(text string) string { return checksum(text) }
