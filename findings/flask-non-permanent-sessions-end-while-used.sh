#!/usr/bin/env bash
# Flask's own sessions, and PERMANENT_SESSION_LIFETIME for a session that isn't permanent.
#
# A guess: the setting is for sessions with session.permanent = True, as its name says. Others end with the browser, and as long as it is open and
# the person works they go on.
# Behaviour: the server looks at the age of the cookie's signature, permanent or not, and refuses one older than the setting. A permanent session is signed anew
# with each answer, so it lives on while it is used. Any other is signed when something in it changes: it ends that long after its last
# change, in the middle of the work, and the cookie shows no end. With a short setting, meant to be strict, it is the permanent session
# that stays.
#
# Seen with Flask 2.2.2 and Werkzeug 2.2.2, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-flask=2.2.2-3 python3-werkzeug python3-jinja2 python3-itsdangerous python3-click python3-markupsafe >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >work.py <<'PY'
import time
from unittest import mock
import flask, werkzeug
from flask import Flask, session
app = Flask("app")
app.secret_key = "x" * 32
app.config["PERMANENT_SESSION_LIFETIME"] = 1800
@app.get("/enter/<int:permanent>")
def enter(permanent):
    session.permanent = bool(permanent)
    session["user"] = "ada"
    return "in"
@app.get("/")
def who():
    return session.get("user", "signed out")
print("Flask", flask.__version__)
start = time.time()
for permanent in (1, 0):
    browser = app.test_client(use_cookies=False)
    with mock.patch("itsdangerous.timed.time.time", lambda: start):
        cookie = browser.get("/enter/%d" % permanent).headers["Set-Cookie"].split(";")[0]
    seen = []
    for minute in range(10, 61, 10):
        with mock.patch("itsdangerous.timed.time.time", lambda: start + 60 * minute):
            answer = browser.get("/", headers={"Cookie": cookie})
        cookie = answer.headers.get("Set-Cookie", cookie).split(";")[0]
        seen.append("%s%s" % (answer.text, " (signed anew)" if "Set-Cookie" in answer.headers else ""))
    print("%s, a request each 10 minutes: %s" % ("permanent" if permanent else "not permanent", ", ".join(seen)))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore work.py)
echo "$out"
new="ada (signed anew)"
want="Flask 2.2.2
permanent, a request each 10 minutes: $new, $new, $new, $new, $new, $new
not permanent, a request each 10 minutes: ada, ada, ada, signed out, signed out, signed out"
[ "$out" = "$want" ]
echo "as stated"
