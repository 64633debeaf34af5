package pg

import (
	"net/url"
	"strings"
)

// split parses an address. Several hosts, or the directory of a socket as the host (%2Frun%2Fpostgresql), which Go's URL parser
// rejects, are moved to the options, where libpq accepts them too.
func split(text string) (*url.URL, url.Values, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return nil, nil, errAddress
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	hosts, ports, err := splitHosts(rest[at:end])
	if err != nil {
		return nil, nil, err
	}
	if hosts != nil {
		text = scheme + "://" + rest[:at] + rest[end:]
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return nil, nil, errAddress
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, nil, errAddress
	}
	if hosts != nil && !options.Has("host") {
		options.Set("host", strings.Join(hosts, ","))
		if strings.Join(ports, "") != "" && !options.Has("port") {
			options.Set("port", strings.Join(ports, ","))
		}
	}
	return u, options, nil
}

// splitHosts returns the hosts and their ports, or none if Go's URL parser accepts the text.
func splitHosts(text string) (hosts, ports []string, err error) {
	if !strings.Contains(text, ",") && !strings.Contains(strings.ToUpper(text), "%2F") {
		return nil, nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, port := part, ""
		if colon := strings.LastIndexByte(part, ':'); colon > strings.LastIndexByte(part, ']') {
			name, port = part[:colon], part[colon+1:]
		}
		name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
		if name, err = url.PathUnescape(name); err != nil || strings.ContainsAny(name, ",@") {
			return nil, nil, errAddress
		}
		hosts, ports = append(hosts, name), append(ports, port)
	}
	return hosts, ports, nil
}

// WithOption returns the address with one option set to another value.
func WithOption(text, option, value string) (string, error) {
	u, options, err := split(text)
	if err != nil {
		return "", err
	}
	options.Set(option, value)
	u.RawQuery = options.Encode()
	return u.String(), nil
}
