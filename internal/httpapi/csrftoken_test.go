package httpapi_test

import (
	"net/url"
	"strings"
	"testing"
)

func (c *client) csrftoken() string {
	c.s.t.Helper()
	r := c.send("GET", "/api/auth/csrf", nil)
	token, _ := r.field("csrftoken").(string)
	if set := r.cookie("csrftoken"); r.StatusCode != 200 || set == nil || set.Value != token || len(token) != 32 {
		c.s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	return token
}

// TestAWrongCSRFTokenIsRefused: if a request has a token, it must be the session's, on every route.
func TestAWrongCSRFTokenIsRefused(t *testing.T) {
	t.Attr("threat", "F03")
	t.Attr("threat", "E4")
	s := start(t, options{})
	ada, bob := s.user("ada"), s.user("bob")
	c, other, sibling := s.as(ada), s.as(bob), s.as(ada)
	mine, theirs, hers, visitors := c.csrftoken(), other.csrftoken(), sibling.csrftoken(), s.client().csrftoken()
	for name, token := range map[string]string{
		"of another user": theirs, "of another session of the user": hers, "of a visitor": visitors, "cut": mine[:31],
		"longer": mine + "a", "of other characters": mine[:31] + "-", "in capitals": strings.ToUpper(mine), "made up": strings.Repeat("a", 32),
		"turned around": reversed(mine), "twice": mine + mine,
	} {
		for _, route := range unsafe() {
			if r := c.send(route.Method, at(route), nil, "X-CSRFToken: "+token); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("%s with a token %s: got %d %s", route, name, r.StatusCode, r.body)
			}
		}
	}
	if r := c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+mine, "X-CSRFToken: "+mine); !isProblem(r, 403, "csrf_failed") {
		t.Errorf("two tokens: got %d", r.StatusCode)
	}
	if r := c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+mine); r.StatusCode != 200 {
		t.Errorf("the right token: got %d %s", r.StatusCode, r.body)
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

// TestStrictModeRequiresTheTokenInHeaderOrForm: a token in a cookie or in the query isn't enough.
func TestStrictModeRequiresTheTokenInHeaderOrForm(t *testing.T) {
	t.Attr("threat", "E08")
	t.Attr("threat", "F03")
	s := start(t, options{strict: true})
	c := s.as(s.user("ada"))
	token := c.csrftoken()
	before := snapshot(t, s.stores)
	for _, route := range unsafe() {
		for _, query := range []string{"", "?csrfmiddlewaretoken=" + token, "?X-CSRFToken=" + token, "?csrftoken=" + token} {
			if r := c.send(route.Method, at(route)+query, nil); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("%s%s: got %d %s", route, query, r.StatusCode, r.body)
			}
		}
		body := map[string]string{"csrfmiddlewaretoken": token}
		if r := c.send(route.Method, at(route), body); !isProblem(r, 403, "csrf_failed") {
			t.Errorf("%s with the token in JSON: got %d %s", route, r.StatusCode, r.body)
		}
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	if r := c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+token); r.StatusCode != 200 {
		t.Errorf("with the token: got %d %s", r.StatusCode, r.body)
	}
}

// TestFormsCarryTheTokenInDjangosField: in urlencoded and multipart forms, before and after the sign-in.
func TestFormsCarryTheTokenInDjangosField(t *testing.T) {
	t.Attr("threat", "F03")
	for name, strict := range map[string]bool{"strict": true, "lenient": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{strict: strict})
			s.user("ada")
			c := s.client()
			for range 2 { // without a session, then with one
				token := c.csrftoken()
				form := url.Values{"username": {"ada"}, "password": {goodPassword}, "csrfmiddlewaretoken": {token}}
				s.secret.add(goodPassword)
				if r := c.form(form); r.StatusCode != 200 {
					t.Fatalf("the right token: got %d %s", r.StatusCode, r.body)
				}
				if r := c.form(form); !isProblem(r, 403, "csrf_failed") {
					t.Errorf("the token from before the sign-in: got %d %s", r.StatusCode, r.body)
				}
				form.Set("csrfmiddlewaretoken", c.csrftoken())
				if r := c.multipart(form); r.StatusCode != 200 {
					t.Errorf("multipart: got %d %s", r.StatusCode, r.body)
				}
				for _, wrong := range []string{strings.Repeat("a", 32), "x"} {
					form.Set("csrfmiddlewaretoken", wrong)
					if r := c.multipart(form); !isProblem(r, 403, "csrf_failed") {
						t.Errorf("%q: got %d %s", wrong, r.StatusCode, r.body)
					}
				}
				form["csrfmiddlewaretoken"] = []string{token, token}
				if r := c.form(form); r.StatusCode != 403 && r.StatusCode != 400 {
					t.Errorf("two tokens: got %d %s", r.StatusCode, r.body)
				}
			}
		})
	}
}

func (c *client) form(values url.Values, header ...string) *answer {
	c.s.t.Helper()
	return c.raw("POST", "/api/auth/login", strings.NewReader(values.Encode()),
		append([]string{"Content-Type: application/x-www-form-urlencoded"}, header...)...)
}

func (c *client) multipart(values url.Values, header ...string) *answer {
	c.s.t.Helper()
	var b strings.Builder
	for name, all := range values {
		for _, value := range all {
			b.WriteString("--edge\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n")
		}
	}
	b.WriteString("--edge--\r\n")
	return c.raw("POST", "/api/auth/login", strings.NewReader(b.String()),
		append([]string{"Content-Type: multipart/form-data; boundary=edge"}, header...)...)
}

// TestNoCSRFTokenSurvivesAChangeOfUser: a token from before the sign-in is refused after it, and the other way round.
func TestNoCSRFTokenSurvivesAChangeOfUser(t *testing.T) {
	t.Attr("threat", "A3")
	s := start(t, options{})
	s.user("ada")
	s.user("bob")
	c := s.client()
	tokens := []string{c.csrftoken()}
	for _, step := range []func() *answer{
		func() *answer { return c.login("ada", goodPassword) },
		func() *answer { return c.login("bob", goodPassword) },
		func() *answer { return c.send("POST", "/api/auth/logout", nil) },
		func() *answer { return c.login("ada", goodPassword) },
	} {
		r := step()
		set := r.cookie("csrftoken")
		if r.StatusCode != 200 || set == nil {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		for _, old := range tokens {
			if r := c.send("DELETE", "/api/auth/sessions/x", nil, "X-CSRFToken: "+old); !isProblem(r, 403, "csrf_failed") {
				t.Errorf("a token from before: got %d %s", r.StatusCode, r.body)
			}
		}
		if r := c.send("DELETE", "/api/auth/sessions/x", nil, "X-CSRFToken: "+set.Value); r.StatusCode == 403 {
			t.Errorf("the token that the response set: got %d %s", r.StatusCode, r.body)
		}
		tokens = append(tokens, set.Value)
	}
}
