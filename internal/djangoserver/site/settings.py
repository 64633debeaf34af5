"""A Django project for tests: sessions, accounts and REST framework's tokens. The environment variable SITE has what differs between tests, as JSON."""
import json
import os

import django

SITE = json.loads(os.environ["SITE"])

SECRET_KEY = SITE["keys"][0]
SECRET_KEY_FALLBACKS = SITE["keys"][1:]  # since Django 4.1
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
USE_TZ = not SITE.get("time_zone")
TIME_ZONE = SITE.get("time_zone") or SITE.get("clock") or "UTC"
if SITE.get("reset_timeout"):
    PASSWORD_RESET_TIMEOUT = SITE["reset_timeout"]
MIDDLEWARE = (SITE.get("middleware") or []) + [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
]
if SITE.get("user_model"):
    AUTH_USER_MODEL = SITE["user_model"]
    INSTALLED_APPS.append(AUTH_USER_MODEL.split(".")[0])
SESSION_ENGINE = "django.contrib.sessions.backends." + (SITE.get("engine") or "db")
SESSION_SERIALIZER = SITE.get("serializer") or "django.contrib.sessions.serializers.JSONSerializer"
if SITE.get("cookie_age"):
    SESSION_COOKIE_AGE = SITE["cookie_age"]
if SITE.get("backends"):
    AUTHENTICATION_BACKENDS = SITE["backends"]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = SITE.get("hashers") or [
    "quick.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.BCryptPasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]
if django.VERSION >= (4, 0) and not SITE.get("hashers"):
    PASSWORD_HASHERS.append("django.contrib.auth.hashers.ScryptPasswordHasher")
DATABASES = {"default": SITE["database"]}
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
