#!/usr/bin/env bash
# Django, the age of a password reset link (PASSWORD_RESET_TIMEOUT), with USE_TZ = True and processes that differ in TIME_ZONE.
#
# A guess: with USE_TZ all times that Django keeps are UTC, and TIME_ZONE decides how they are shown. A link's age is the same everywhere.
# Behaviour: the token holds the seconds since 2001 by the local wall clock, without a zone. A link made a moment ago by a process in UTC, such as
# a worker that sends the mail, is nine hours old for one in Asia/Tokyo, and refused if the timeout is an hour. Each start of summer time
# makes all links an hour older, in one process too: with a timeout of an hour, each link from before 2:00 is dead at 3:00.
#
# Seen with Django 3.2.25, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-asgiref python3-sqlparse python3-tz faketime libfaketime >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >settings.py <<'PY'
import os
SECRET_KEY = "x" * 50
USE_TZ = True
TIME_ZONE = os.environ["ZONE"]
PASSWORD_RESET_TIMEOUT = 3600
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.db"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PY
cat >link.py <<'PY'
import sys
import django
django.setup()
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
if sys.argv[1:] == ["prepare"]:
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="p")
    print("Django", django.get_version())
elif sys.argv[1:] == ["make"]:
    print(default_token_generator.make_token(User.objects.get()))
else:
    print("good" if default_token_generator.check_token(User.objects.get(), sys.argv[1]) else "refused")
PY
library=$(echo "$dir"/root/usr/lib/*-linux-gnu/faketime/libfaketime.so.1)
# at ZONE UNIX-TIME WORD…
at() { env ZONE="$1" LD_PRELOAD="$library" FAKETIME_FMT=%s FAKETIME="$2" DONT_FAKE_MONOTONIC=1 \
  PYTHONPATH="$dir:$dir/root/usr/lib/python3/dist-packages" DJANGO_SETTINGS_MODULE=settings /usr/bin/python3 -W ignore link.py "${@:3}"; }
now=$(date -d 2026-01-15T12:00:00Z +%s)
at UTC "$now" prepare
{
  token=$(at UTC "$now" make)
  for zone in UTC America/New_York Asia/Tokyo; do echo "made in UTC, checked a second later in $zone: $(at "$zone" $((now + 1)) "$token")"; done
  before=$(date -d 2026-03-29T00:59:00Z +%s)
  token=$(at Europe/Berlin "$before" make)
  echo "Berlin, made at 1:59 before summer time: at 1:59:50 $(at Europe/Berlin $((before + 50)) "$token"), two minutes later $(at Europe/Berlin $((before + 120)) "$token")"
} | tee out
want='made in UTC, checked a second later in UTC: good
made in UTC, checked a second later in America/New_York: good
made in UTC, checked a second later in Asia/Tokyo: refused
Berlin, made at 1:59 before summer time: at 1:59:50 good, two minutes later refused'
[ "$(cat out)" = "$want" ]
echo "as stated"
