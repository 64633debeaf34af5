"""Operations of an administrator, done through the ORM as Django's admin does them."""
import copy
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.hashers import get_hasher, make_password
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.contrib.sessions.serializers import JSONSerializer
from django.utils import timezone


def user(name):
    model = get_user_model()
    return model._default_manager.get(**{model.USERNAME_FIELD: name})


def add(name, password, **fields):
    model = get_user_model()
    made = model._default_manager.create_user(name, password=password, **fields)
    return str(made.pk)


def set_password(name, password):
    one = user(name)
    one.set_password(password)
    one.save()


def set_hash(name, encoded):
    one = user(name)
    one.password = encoded
    one.save()


def encoded(name):
    return user(name).password


def make(password, salt, hasher, cost=None):
    """Returns a hash; cost overrides attributes of the hasher that set its cost."""
    if not cost:
        return make_password(password, salt or None, hasher)
    one = copy.copy(get_hasher(hasher))
    for name, value in cost.items():
        setattr(one, name, value)
    return one.encode(password, salt or one.salt())


def fields(name):
    one = user(name)
    return {
        "active": one.is_active,
        "staff": one.is_staff,
        "email": one.email,
        "first_name": getattr(one, "first_name", ""),
        "last_login": one.last_login.isoformat() if one.last_login else "",
        "groups": sorted(g.name for g in one.groups.all()),
        "permissions": sorted(one.get_all_permissions()),
    }


def set_active(name, active):
    one = user(name)
    one.is_active = active
    one.save()


def permission(label):
    app, codename = label.split(".", 1)
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def grant(name, label):
    user(name).user_permissions.add(permission(label))


def withdraw(name, label):
    user(name).user_permissions.remove(permission(label))


def group(name, labels):
    made, _ = Group.objects.get_or_create(name=name)
    made.permissions.set([permission(label) for label in labels])


def join(name, group):
    user(name).groups.add(Group.objects.get(name=group))


def leave(name, group):
    user(name).groups.remove(Group.objects.get(name=group))


def token(name):
    from rest_framework.authtoken.models import Token

    return Token.objects.get_or_create(user=user(name))[0].key


def drop_token(name):
    from rest_framework.authtoken.models import Token

    Token.objects.filter(user=user(name)).delete()


def delete(name):
    user(name).delete()


def put_session(key, data, expire):
    """Writes a row as Django 4.1 and later do, with values that earlier versions can't put into a session."""
    text = signing.dumps(data, salt="django.contrib.sessions.SessionStore", serializer=JSONSerializer, compress=True)
    when = datetime.fromisoformat(expire)
    Session.objects.create(session_key=key, session_data=text, expire_date=when)


def read_session(key):
    """Returns the session with a key, as another program would load it."""
    store = SessionStore(session_key=key)
    return dict(store.items())


def save_session(key, values):
    """Loads a session, changes it and saves it, as another program would."""
    store = SessionStore(session_key=key)
    for name, value in values.items():
        store[name] = value
    store.save()
    return dict(store.items())


def sessions():
    now = timezone.now()
    return sorted(s.session_key for s in Session.objects.filter(expire_date__gt=now))


def expire(key, seconds):
    from datetime import timedelta

    Session.objects.filter(session_key=key).update(expire_date=timezone.now() + timedelta(seconds=seconds))


def expires(key):
    return Session.objects.get(session_key=key).expire_date.isoformat()


def reset_token(name):
    return default_token_generator.make_token(user(name))


def check_reset(name, token):
    return default_token_generator.check_token(user(name), token)


def crowd(passwords):
    """Creates many users at once, each with one of the hashes."""
    model = get_user_model()
    made = [model(username=f"user{n}", password=password, email=f"user{n}@example.com") for n, password in enumerate(passwords)]
    model._default_manager.bulk_create(made, batch_size=500)
