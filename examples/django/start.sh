#!/usr/bin/env bash
# Starts the Django project in this folder, and Cloakroom in front of it.
#
#   ./start.sh           both use Django's database: a user who signs in at either is signed in at both
#   ./start.sh headers   Cloakroom has its own users, and names the user of each request in a signed header
#
# Ctrl-C stops both. These variables can be set (default):
#
#   LISTEN      the address of Cloakroom (localhost:8000)
#   NOTES_PORT  the port of Django, on 127.0.0.1 (8001)
#   NOTES_DATA  the folder for all data (data, in this folder)
#   NOTES_DB    Django's database: sqlite:PATH or postgres://USER@HOST/NAME (SQLite in NOTES_DATA)
#   SERVER      Django's server: runserver, which is for development, or gunicorn (runserver)
#   PYTHON      a Python with Django and REST framework; "headers" needs cryptography too (python3)
#   CLOAKROOM   the program (built from this repository)
set -euo pipefail
cd "$(dirname "$0")"
mode=${1:-share}
listen=${LISTEN:-localhost:8000}
django=127.0.0.1:${NOTES_PORT:-8001}
python=${PYTHON:-python3}
export NOTES_DATA=${NOTES_DATA:-$PWD/data}
export NOTES_DB=${NOTES_DB:-sqlite:$NOTES_DATA/db.sqlite3}

umask 077
mkdir -p "$NOTES_DATA"
cloakroom=${CLOAKROOM:-$NOTES_DATA/cloakroom}
[ -n "${CLOAKROOM:-}" ] || go build -o "$cloakroom" ../../cmd/cloakroom
[ -s "$NOTES_DATA/secret-key" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$NOTES_DATA/secret-key"

case $mode in
share)
  shared=(--db "django+$NOTES_DB" --django-secret-key-file "$NOTES_DATA/secret-key" --django-session-engine db)
  ;;
headers)
  shared=()
  export NOTES_CLOAKROOM_URL="http://$listen"
  ;;
*)
  echo "usage: $0 [share|headers]" >&2
  exit 2
  ;;
esac

"$python" manage.py migrate --verbosity 0
if [ "$mode" = share ]; then
  if [ ! -e "$NOTES_DATA/password" ]; then
    od -An -N12 -tx1 /dev/urandom | tr -d ' \n' >"$NOTES_DATA/password"
    DJANGO_SUPERUSER_PASSWORD=$(cat "$NOTES_DATA/password") "$python" manage.py createsuperuser --noinput --username ada --email ada@example.com
  fi
  case $NOTES_DB in postgres*) "$cloakroom" django install-feed "${shared[@]}" --data "$NOTES_DATA/cloakroom-data" ;; esac
  "$cloakroom" django check "${shared[@]}" --data "$NOTES_DATA/cloakroom-data" || true
  echo "Sign in as ada; the password is in $NOTES_DATA/password."
fi

trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM
case ${SERVER:-runserver} in
gunicorn) "$python" -m gunicorn --bind "$django" --workers 2 --threads 4 notes.wsgi & ;;
*) "$python" manage.py runserver --noreload --insecure "$django" & ;;
esac
"$cloakroom" serve --listen "$listen" --url "http://$listen" --data "$NOTES_DATA/cloakroom-data" "${shared[@]}" \
  --upstream "http://$django" --rule "public /admin/*" &
wait -n
