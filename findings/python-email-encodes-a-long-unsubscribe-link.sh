#!/usr/bin/env bash
# Python's email.message.EmailMessage, and headers that hold one long word: List-Unsubscribe, In-Reply-To, References.
#
# A guess: a line may have 998 characters, so a URL or an id without a blank goes out as it is; at the most it gets a line of its own.
# Behaviour: a word that doesn't fit in 78 characters is written as encoded words (=?utf-8?q?=3Chttps=3A//…?=), although all of it is ASCII and
# RFC 2047 forbids them in such a place. Another Python reads it back; a mail program that looks for "<https:" finds no link and
# offers no "unsubscribe", and one that compares ids shows no thread. Message-ID alone is spared. Django builds its mails with the older
# class and leaves all of them alone; a policy with max_line_length=998 does as well.
#
# Seen with Python 3.11.2 and Django 3.2.25, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-asgiref python3-sqlparse python3-tz >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >mails.py <<'PY'
import platform
from email.message import EmailMessage
from email import policy
from django.conf import settings
settings.configure()
from django.core.mail import EmailMessage as DjangoMessage
link = "<https://app.example.test/mail/unsubscribe?token=%s>" % ("abcdefghij" * 4)
headers = {"List-Unsubscribe": link}
for name in ("Message-ID", "In-Reply-To", "References"):
    headers[name] = "<%s@%s.example.test>" % ("abcdefghij" * 7, name.lower())
ways = {"EmailMessage": policy.default, "EmailMessage, policy.SMTP": policy.SMTP, "EmailMessage, 998": policy.SMTP.clone(max_line_length=998)}
print(platform.python_version())
def say(who, text):
    print("%s: %s" % (who, ", ".join("%s %s" % (name, "as it is" if value in text else "encoded") for name, value in headers.items())))
    assert ("=?utf-8?q?" in text) == any(value not in text for value in headers.values())
for who, how in ways.items():
    mail = EmailMessage(policy=how)
    for name, value in headers.items():
        mail[name] = value
    mail.set_content("Hello")
    say(who, mail.as_bytes().decode("ascii"))
say("Django", DjangoMessage("Hello", "Hello", "a@example.test", ["b@example.test"], headers=headers).message().as_bytes().decode("ascii"))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore mails.py)
echo "$out"
want='EmailMessage: List-Unsubscribe encoded, Message-ID as it is, In-Reply-To encoded, References encoded
EmailMessage, policy.SMTP: List-Unsubscribe encoded, Message-ID as it is, In-Reply-To encoded, References encoded
EmailMessage, 998: List-Unsubscribe as it is, Message-ID as it is, In-Reply-To as it is, References as it is
Django: List-Unsubscribe as it is, Message-ID as it is, In-Reply-To as it is, References as it is'
[ "$(tail -n +2 <<<"$out")" = "$want" ]
echo "as stated"
