import json, time, urllib.request
from threading import Lock

from cryptography.exceptions import InvalidSignature
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction

from .assertion import verify
from .models import Person


class CloakroomMiddleware:
    """Takes each request's user from its verified Cloakroom-Assertion, and uses no Django session."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        claims = claims_of(request)
        user = user_of(claims) if claims else AnonymousUser()
        request.user = user if user.is_active else AnonymousUser()
        return self.get_response(request)


def claims_of(request):
    assertion = request.headers.get("Cloakroom-Assertion")
    if not assertion:
        return None
    for refetch in (False, True):  # the key may be new
        try:
            return verify(assertion, request.method, request.path, settings.CLOAKROOM_URL, keys(refetch))
        except (ValueError, KeyError, TypeError, InvalidSignature):
            pass
    return None


known, fetched, lock = [], None, Lock()


def keys(refetch):
    """Returns Cloakroom's public keys. They are fetched again at most once a minute."""
    global known, fetched
    with lock:
        if fetched is None or refetch and time.monotonic() - fetched > 60:
            with urllib.request.urlopen(settings.CLOAKROOM_URL + "/.well-known/jwks.json", timeout=5) as answer:
                known = json.load(answer)["keys"]
            fetched = time.monotonic()
        return known


def user_of(claims):
    """Returns the Django user of a Cloakroom user, found by the ID, since names change."""
    subject, name = claims["sub"], claims["username"]
    for last in (False, True):
        person = Person.objects.select_related("user").filter(pk=subject).first()
        if person and person.user.username == name:
            return person.user
        try:
            with transaction.atomic():
                return named(person, subject, name)
        except IntegrityError:  # another request was first
            if last:
                raise


def named(person, subject, name):
    users = get_user_model().objects
    # In Cloakroom this user has the name now: the former user of the name has been renamed or deleted there.
    for former in Person.objects.select_related("user").filter(user__username=name).exclude(pk=subject):
        former.user.username = f"former:{former.pk}"
        former.user.save(update_fields=["username"])
    if person is None:  # at the first request the user takes over the Django user with the same name, if there is one
        user, _ = users.get_or_create(username=name, defaults={"password": make_password(None)})
        return Person.objects.create(cloakroom_id=subject, user=user).user
    if not users.filter(username=name).exists():
        person.user.username = name
        person.user.save(update_fields=["username"])
    return person.user
