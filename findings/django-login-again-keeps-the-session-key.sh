#!/usr/bin/env bash
# Django, django.contrib.auth.login() for a user who is signed in already.
#
# A guess: each sign-in gives the browser a new session key, as a defence against session fixation.
# Behaviour: the key changes when a visitor's session becomes a user's, and when another user signs in. When the same user
# signs in again, the key stays, and with it the data of the session. A program beside Django that takes each sign-in for a
# new session, or a new key for each sign-in, is wrong.
#
# Seen with Django 3.2.25, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-asgiref python3-sqlparse python3-tz >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >again.py <<'PY'
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, USE_TZ=True, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.http import HttpRequest
call_command("migrate", verbosity=0)
ada, bob = (User.objects.create_user(n, password="p") for n in ("ada", "bob"))
request = HttpRequest()
request.session = SessionStore()
request.session["cart"] = 1
request.session.save()
keys = [request.session.session_key]
for user in (ada, ada, bob):
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    keys.append(request.session.session_key)
same = [a == b for a, b in zip(keys, keys[1:])]
print(django.get_version(), "key kept: visitor to ada %s, ada to ada %s, ada to bob %s" % tuple(same))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 again.py)
echo "$out"
[ "$out" = "3.2.25 key kept: visitor to ada False, ada to ada True, ada to bob False" ]
echo "as stated"
