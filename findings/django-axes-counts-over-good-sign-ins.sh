#!/usr/bin/env bash
# django-axes with its defaults: the failures that lock someone out, and the good sign-ins between them.
#
# A guess: a limit of three failures means three in a row, for one account; a good sign-in starts the count anew, and after a while old failures no longer
# count.
# Behaviour: neither. AXES_RESET_ON_SUCCESS is False and AXES_COOLOFF_TIME is None, so a typo this year and two next year lock, although the person has signed in
# after each one, and for good, until an administrator resets it. The count is kept for the address: behind one router, three typos of
# one person lock every account, the right password included. The answer is 403.
#
# Seen with django-axes 5.39.0 and Django 3.2.25, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-django-axes=5.39.0-2 python3-django-ipware python3-asgiref python3-sqlparse python3-tz >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >years.py <<'PY'
import datetime, logging
from unittest import mock
import django
from django.conf import settings
logging.disable(logging.CRITICAL)
settings.configure(
    SECRET_KEY="x" * 50, USE_TZ=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "axes"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware", "axes.middleware.AxesMiddleware"],
    AUTHENTICATION_BACKENDS=["axes.backends.AxesBackend", "django.contrib.auth.backends.ModelBackend"],
)
django.setup()
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import path
def enter(request):
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    if user:
        login(request, user)
    return HttpResponse("in" if user else "wrong")
urlpatterns = [path("enter", enter)]
call_command("migrate", verbosity=0)
for name in ("ada", "bob"):
    User.objects.create_user(name, password="good")
def at(year, name, password):
    clock = datetime.datetime(year, 6, 1, tzinfo=datetime.timezone.utc)
    with mock.patch("django.utils.timezone.now", lambda: clock), mock.patch("axes.attempts.now", lambda: clock):
        answer = Client().post("/enter", {"name": name, "password": password})
    print("%d, %s, %s password: %s" % (year, name, password, answer.content.decode() if answer.status_code == 200 else answer.status_code))
print("Django", django.get_version())
for year in (2024, 2025, 2026):
    at(year, "ada", "bad")
    at(year, "ada", "good")
at(2027, "ada", "good")
at(2027, "bob", "good")
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore years.py)
echo "$out"
want='Django 3.2.25
2024, ada, bad password: wrong
2024, ada, good password: in
2025, ada, bad password: wrong
2025, ada, good password: in
2026, ada, bad password: 403
2026, ada, good password: 403
2027, ada, good password: 403
2027, bob, good password: 403'
[ "$out" = "$want" ]
echo "as stated"
