package csrf

// Unmasked returns the token as Issue makes it, or what is wrong with its form.
func Unmasked(token string) (plain, flaw string) { return unmasked(token) }
