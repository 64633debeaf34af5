#!/usr/bin/env bash
# Django REST framework, a throttle whose rate is "3/month", for a letter that a person may ask for; beside it the library limits, under Flask-Limiter.
#
# A guess: a period that the framework doesn't know is an error at the start, as for "3/week"; or it knows months.
# Behaviour: only the first letter is read, so a month is a minute, and so is "mo". The fourth request is refused, and a minute later three more are
# allowed: the limit looks right in a test and is forty thousand times too wide. "3/week" is a KeyError. limits knows months, and refuses the other two.
#
# Seen with Django REST framework 3.14.0, Django 3.2.25 and limits 2.8.0 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-djangorestframework python3-django python3-asgiref python3-sqlparse python3-tz python3-limits \
  python3-deprecated python3-wrapt python3-packaging python3-typing-extensions >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >throttle.py <<'PY'
import django
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=["rest_framework"])
django.setup()
import limits
from rest_framework.throttling import SimpleRateThrottle

def throttle(rate):
    now = 1_800_000_000
    class Letters(SimpleRateThrottle):
        def get_cache_key(self, request, view):
            return rate
        def timer(self):
            return now
    Letters.rate = rate
    answers = []
    for now in (now, now + 1, now + 2, now + 3, now + 62):
        answers.append("allowed" if Letters().allow_request(None, None) else "refused")
    return ", ".join(answers[:4]) + "; a minute later " + answers[4]

for rate in "3/minute", "3/month", "3/mo", "3/week":
    for name, library in ("DRF", throttle), ("limits", lambda rate: f"{limits.parse(rate).get_expiry()} s"):
        try:
            print(f"{rate}, {name}: {library(rate)}")
        except Exception as error:
            print(f"{rate}, {name}: {type(error).__name__}")
PY
out=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore throttle.py)
echo "$out"
want='3/minute, DRF: allowed, allowed, allowed, refused; a minute later allowed
3/minute, limits: 60 s
3/month, DRF: allowed, allowed, allowed, refused; a minute later allowed
3/month, limits: 2592000 s
3/mo, DRF: allowed, allowed, allowed, refused; a minute later allowed
3/mo, limits: ValueError
3/week, DRF: KeyError
3/week, limits: ValueError'
[ "$out" = "$want" ]
echo "as stated"
