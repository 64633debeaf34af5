#!/usr/bin/env bash
# The test clients of Django, Flask and Starlette: a cookie that the app has deleted, one that was set with Max-Age=0, and one for another path.
#
# A guess: a test client keeps cookies as a browser does, so a test that signs out and asks again sees what a person sees.
# Behaviour: Django's client sends whatever has ever been set, at each path: a deleted cookie goes on with an empty value in quotes, sid="", one that
# was dead from the start goes with its value, and a path isn't looked at. So request.COOKIES has the name after a sign-out in a test and
# not in a browser, and a wrong path= in the app is never found. Flask's client deletes, and doesn't look at the path either; Starlette's does
# both as a browser does.
#
# Seen with Django 3.2.25, Flask 2.2.2 and Starlette 0.26.1, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-asgiref python3-sqlparse python3-tz python3-flask=2.2.2-3 python3-werkzeug \
  python3-jinja2 python3-itsdangerous python3-click python3-markupsafe python3-starlette python3-anyio python3-sniffio python3-httpx python3-httpcore \
  python3-h11 python3-rfc3986 python3-certifi python3-idna >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >clients.py <<'PY'
import django, flask, starlette.applications
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
django.setup()
import django.test, django.urls
from django.http import HttpResponse
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

def enter(answer):
    answer.set_cookie("sid", "A")
    answer.set_cookie("dead", "B", max_age=0)
    answer.set_cookie("admin", "C", path="/admin")
    return answer
def leave(answer):
    answer.delete_cookie("sid")
    return answer

urlpatterns = [
    django.urls.path("enter", lambda request: enter(HttpResponse())), django.urls.path("leave", lambda request: leave(HttpResponse())),
    django.urls.path("show", lambda request: HttpResponse(request.META.get("HTTP_COOKIE", "nothing"))),
]
app = flask.Flask("app")
app.add_url_rule("/enter", "enter", lambda: enter(flask.make_response("")))
app.add_url_rule("/leave", "leave", lambda: leave(flask.make_response("")))
app.add_url_rule("/show", "show", lambda: flask.request.headers.get("Cookie", "nothing"))
star = starlette.applications.Starlette()
star.add_route("/enter", lambda request: enter(PlainTextResponse()))
star.add_route("/leave", lambda request: leave(PlainTextResponse()))
star.add_route("/show", lambda request: PlainTextResponse(request.headers.get("cookie", "nothing")))
for name, client in {"Django": django.test.Client(), "Flask": app.test_client(), "Starlette": TestClient(star)}.items():
    seen = []
    for step in ("/enter", "/leave"):
        client.get(step)
        answer = client.get("/show")
        seen.append(answer.content.decode() if name == "Django" else answer.text)
    print("%s: signed in [%s], signed out [%s]" % (name, *seen))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore clients.py)
echo "$out"
want='Django: signed in [admin=C; dead=B; sid=A], signed out [admin=C; dead=B; sid=""]
Flask: signed in [sid=A; admin=C], signed out [admin=C]
Starlette: signed in [sid=A], signed out [nothing]'
[ "$out" = "$want" ]
echo "as stated"
