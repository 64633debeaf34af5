package cloakroom

import (
	"errors"
	"net/url"

	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/session"
)

// checkBinding returns an error if Config.BindDevices is set where sessions can't be bound to browsers.
func (c *Config) checkBinding(base *url.URL) error {
	switch {
	case !c.BindDevices:
		return nil
	case c.besideDjango():
		return errors.New("Config.BindDevices can't be used beside Django: Django honours the session cookie alone, so a copied one would " +
			"work there as before")
	case base.Scheme != "https":
		return errors.New("Config.BindDevices needs a Config.URL with https: browsers bind no session without")
	case c.Cookie.Domain != "":
		return errors.New("Config.BindDevices can't be used with Config.Cookie.Domain: the cookie that a browser renews belongs to one host, " +
			"so on the other hosts of the domain people would be signed out")
	}
	return nil
}

// newDevices returns what binds the sessions of m to browsers, and makes m use it; nil if none are bound.
func (s *Server) newDevices(c Config, m *session.Manager) *device.Service {
	if !c.BindDevices {
		return nil
	}
	d := &device.Service{
		Sessions: m, Keys: func() [][]byte { return s.keys.Derive("bound sessions") }, URL: c.URL, SameSite: c.Cookie.SameSite,
		Initiators: hosts(c.Origins),
	}
	m.Device = d
	return d
}

// hosts returns the hosts of origins, without their ports.
func hosts(origins []string) (names []string) {
	for _, origin := range origins {
		if u, err := url.Parse(origin); err == nil && u.Hostname() != "" {
			names = append(names, u.Hostname())
		}
	}
	return names
}
