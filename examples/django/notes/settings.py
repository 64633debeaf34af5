import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

DATA = Path(os.environ["NOTES_DATA"])
# Cloakroom reads this file, too. The first line is the current key; former keys follow.
SECRET_KEY, *SECRET_KEY_FALLBACKS = (DATA / "secret-key").read_text().split()
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "notes.urls"
USE_TZ = True
STATIC_URL = "/admin/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "notes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}


def database(address):
    """Parses the address of the database, which Cloakroom gets after django+."""
    if address.startswith("sqlite:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": address[len("sqlite:"):]}
    url = urlsplit(address)
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "HOST": url.hostname, "PORT": url.port or "",
        "USER": unquote(url.username or ""), "PASSWORD": unquote(url.password or ""),
    }


DATABASES = {"default": database(os.environ["NOTES_DB"])}

if os.environ.get("NOTES_CLOAKROOM_URL"):
    # Cloakroom has the users, and names the user of each request in a signed assertion. This is the address that it was
    # started with (--url).
    CLOAKROOM_URL = os.environ["NOTES_CLOAKROOM_URL"]
    MIDDLEWARE.insert(MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1, "notes.middleware.CloakroomMiddleware")
    SESSION_COOKIE_NAME = "notes_sessionid"  # Cloakroom uses sessionid
