package passkey

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// OffError says why browsers offer no passkeys at an address. The rest of the server works there.
type OffError struct{ Reason string }

func (e *OffError) Error() string { return "passkeys are off: " + e.Reason }

// Domain returns the ID of the relying party whose pages are at base: domain, or the host of base if that is "". An
// [*OffError] if no browser would take the host; another error if domain can't be used at base.
func Domain(base *url.URL, domain string) (string, error) {
	host := strings.ToLower(base.Hostname())
	if err := secureHost(base.Scheme, host); err != nil {
		if domain != "" {
			return "", err
		}
		return "", &OffError{err.Error()}
	}
	if domain == "" {
		return host, nil
	}
	if domain = strings.ToLower(domain); domain == host {
		return host, nil
	}
	if !strings.HasSuffix(host, "."+domain) {
		return "", fmt.Errorf("%s is neither %s nor a domain above it", domain, host)
	}
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		return "", fmt.Errorf("anyone can register a domain below %s", domain)
	}
	return domain, nil
}

// secureHost returns an error unless browsers allow WebAuthn at a host.
func secureHost(scheme, host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return fmt.Errorf("browsers refuse passkeys at an IP address such as %s; use a name, on this machine localhost", host)
	}
	if scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return fmt.Errorf("browsers refuse passkeys over plain http at %s; use https", host)
	}
	return nil
}
