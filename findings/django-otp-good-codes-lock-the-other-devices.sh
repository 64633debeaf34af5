#!/usr/bin/env bash
# django-otp, a person with a phone, a tablet and recovery codes, who signs in with the tablet's code each day.
#
# A guess: a code that is right is no failure. The throttle against guessing counts for an account's wrong codes, and a good sign-in
# ends the count.
# Behaviour: match_token asks one device after the other, recovery codes first if otp_static stands before otp_totp, and each that says no counts
# the code as a failure of its own; only the one that says yes starts anew. The wait doubles each time: after 18 daily sign-ins
# without one wrong code, the phone and the recovery codes are locked for more than a day. So on the day the tablet is lost, the recovery code
# that should help is refused. A sign-in should ask which device the code is of, and give it to that one's verify_token.
#
# Seen with django-otp 1.1.3 and Django 3.2.25, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-django-otp=1.1.3-1 python3-asgiref python3-sqlparse python3-tz >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >days.py <<'PY'
import datetime, time
from unittest import mock
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, USE_TZ=True, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_otp", "django_otp.plugins.otp_static", "django_otp.plugins.otp_totp"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django_otp import match_token
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
call_command("migrate", verbosity=0)
ada = User.objects.create_user("ada", password="p")
recovery = StaticDevice.objects.create(user=ada, name="recovery codes")
recovery.token_set.create(token="recover1")
phone = TOTPDevice.objects.create(user=ada, name="phone")
tablet = TOTPDevice.objects.create(user=ada, name="tablet")

def at(day, ask):
    moment = 1700000000 + 86400 * day
    clock = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    with mock.patch("time.time", lambda: moment), mock.patch("django.utils.timezone.now", lambda: clock):
        return ask()

def code(device):
    shown = TOTP(device.bin_key, device.step, device.t0, device.digits)
    shown.time = time.time()
    return "%06d" % shown.token()

print("django-otp on Django", django.get_version())
good = sum(at(day, lambda: match_token(ada, code(tablet))) == tablet for day in range(18))
print("sign-ins with the tablet: %d of 18" % good)
for device in (recovery, phone, tablet):
    device.refresh_from_db()
    print("failures of the %s: %d" % (device.name, device.throttling_failure_count))
print("a day later, recovery code:", at(18, lambda: match_token(ada, "recover1")))
print("a day later, phone:", at(18, lambda: match_token(ada, code(phone))))
recovery.refresh_from_db()
allowed, why = at(18, recovery.verify_is_allowed)
print("recovery codes allowed: %s, %s" % (allowed, why["reason"]))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore days.py)
echo "$out"
want='django-otp on Django 3.2.25
sign-ins with the tablet: 18 of 18
failures of the recovery codes: 18
failures of the phone: 18
failures of the tablet: 0
a day later, recovery code: None
a day later, phone: None
recovery codes allowed: False, N_FAILED_ATTEMPTS'
[ "$out" = "$want" ]
echo "as stated"
