package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// site is the article's /api/me: Django's session and user from its database, with Django REST framework if it is installed.
const site = `import os, sys
from django.conf import settings
here = os.path.dirname(os.path.abspath(__file__))
try:
    import rest_framework
    drf = True
except ImportError:
    drf = False
settings.configure(
    SECRET_KEY="a key for measurements only, fifty characters or more", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"] + (["rest_framework"] if drf else []),
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(here, "db.sqlite3"), "CONN_MAX_AGE": 600}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"]},
)
import django
django.setup()
from django.urls import path

def shown(u):
    return {"id": u.id, "username": u.username, "email": u.email, "first_name": u.first_name, "last_name": u.last_name,
        "date_joined": u.date_joined.isoformat(), "is_staff": u.is_staff, "is_superuser": u.is_superuser}

if drf:
    from rest_framework.decorators import api_view, permission_classes
    from rest_framework.permissions import IsAuthenticated
    from rest_framework.response import Response
    @api_view(["GET"])
    @permission_classes([IsAuthenticated])
    def me(request):
        return Response(shown(request.user))
else:
    from django.http import JsonResponse
    def me(request):
        if not request.user.is_authenticated:
            return JsonResponse({}, status=401)
        return JsonResponse(shown(request.user))

urlpatterns = [path("api/me", me)]
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command
    from django.contrib.auth import get_user_model, SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    call_command("migrate", verbosity=0)
    for n in range(int(sys.argv[1])):
        u = get_user_model().objects.create(username="ada%d" % n, email="ada%d@example.org" % n, first_name="Ada", last_name="Lovelace", password="!")
        s = SessionStore()
        s[SESSION_KEY] = str(u.pk)
        s[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        s[HASH_SESSION_KEY] = u.get_session_auth_hash()
        s.create()
        print("Cookie: sessionid=" + s.session_key)
`

// startDjango starts gunicorn with one worker that keeps connections open.
func (b *bench) startDjango(ctx context.Context, s spec) (*child, error) {
	python, err := withDjango(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "site_to_measure.py"), []byte(site), 0o600); err != nil {
		return nil, err
	}
	seed := exec.CommandContext(ctx, python, "site_to_measure.py", strconv.Itoa(s.People))
	seed.Dir = s.Dir
	out, err := seed.Output()
	if err != nil {
		return nil, fmt.Errorf("fill Django's database: %w", err)
	}
	c := &child{name: s.Name, served: served{Credentials: strings.Split(strings.TrimSpace(string(out)), "\n")}}
	args := []string{"-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", "-k", "gthread", "--threads", "4", "--keep-alive", "60", "site_to_measure"}
	c.command = exec.CommandContext(ctx, python, args...)
	if os.Getenv(pinned) != "" {
		c.command = exec.CommandContext(ctx, "taskset", append([]string{"-c", "0", python}, args...)...)
	}
	c.command.Dir, c.command.Env = s.Dir, append(os.Environ(), "PYTHONUNBUFFERED=1")
	log, err := c.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	in, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = in
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	if c.served.Addr, err = listening(log); err == nil {
		err = c.await(ctx, "/api/me")
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("start gunicorn: %w", err)
	}
	c.pids = []int{c.command.Process.Pid}
	return c, nil
}

// withDjango finds a Python that has Django and gunicorn.
func withDjango(ctx context.Context) (string, error) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(ctx, python, "-c", "import django, gunicorn").Run() == nil {
			return python, nil
		}
	}
	return "", errors.New("no Django with gunicorn is installed; on Debian: apt-get install python3-django python3-djangorestframework gunicorn")
}

// listening reads gunicorn's address from its log.
func listening(log io.Reader) (string, error) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "Listening at: http://"); ok {
			go io.Copy(io.Discard, log)
			addr, _, _ := strings.Cut(rest, " ")
			return addr, nil
		}
	}
	return "", errors.New("it ended before it listened")
}

// await waits for the first answer to a request of path.
func (c *child) await(ctx context.Context, path string) error {
	probe := &conn{addr: c.served.Addr}
	defer probe.close()
	for range 200 {
		status, err := probe.ask(request("GET", path, c.served.Addr, c.served.Credentials[0], ""))
		if err == nil && status != http.StatusOK {
			return fmt.Errorf("answered %d", status)
		}
		if err == nil {
			return nil
		}
		var refused *net.OpError
		if ctx.Err() != nil || !errors.As(err, &refused) && !errors.Is(err, io.EOF) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("it doesn't answer")
}
