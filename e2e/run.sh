#!/usr/bin/env bash
# Builds the binary and tests its pages in Debian's Chromium. It fails if a process that it started outlives it.
#
#   bash e2e/run.sh                      runs all tests
#   bash e2e/run.sh test/signin.test.mjs runs only these files
#   bash e2e/run.sh walks.test.mjs       follows the pages of docs/start as their readers do
#   CLOAKROOM_BIN=path                   uses this binary instead of a new build
#   CHROMIUM=path                        uses this browser instead of /usr/bin/chromium
#   CHROMIUM_SHELL=path                  uses this one instead of chromium-headless-shell, where a test needs the engine alone. The shell
#                                        takes a fifth of the processor time; if it isn't installed, the whole browser does all
#   CLOAKROOM_LONG=1                     uses the whole browser for all, tests each example in two places, and each page in every size
#                                        and theme
#   UPDATE_SCREENSHOTS=1                 lets look.test.mjs write docs/screenshots
set -euo pipefail
cd "$(dirname "$0")"
. ../scripts/tools.sh

export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if ! [ -x "$CHROMIUM" ]; then
  echo "there is no browser at $CHROMIUM: install Debian's package 'chromium', or set CHROMIUM=PATH to another" >&2
  exit 1
fi
if [ -n "${CLOAKROOM_LONG:-}" ]; then
  export CHROMIUM_SHELL=$CHROMIUM
else
  export CHROMIUM_SHELL=${CHROMIUM_SHELL:-$(command -v chromium-headless-shell || echo "$CHROMIUM")}
fi

work=$(mktemp -d)
chmod 711 "$work" # PostgreSQL runs as another user and has its folder in here
trap 'rm -rf "$work"' EXIT

if [ -z "${CLOAKROOM_BIN:-}" ]; then
  export CLOAKROOM_BIN=$work/cloakroom
  like_a_release
  (cd .. && go build -ldflags="-s -w" -o "$CLOAKROOM_BIN" ./cmd/cloakroom)
fi
for folder in . .. ../examples/article; do
  (cd "$folder" && npm_ci)
done

# Every process of the run inherits this variable, by which the processes that outlive it are found.
mark=$work
export CLOAKROOM_E2E=$mark TMPDIR=$work
status=0
if [ $# -gt 0 ]; then
  node --test --test-reporter=spec --test-concurrency=2 --test-force-exit "$@" || status=$?
else
  npm test --silent || status=$?
fi
unset CLOAKROOM_E2E

left() {
  local proc
  for proc in /proc/[0-9]*; do
    if grep -qz "^CLOAKROOM_E2E=$mark\$" "$proc/environ" 2>/dev/null; then
      echo "${proc#/proc/} $(tr '\0' ' ' <"$proc/cmdline" 2>/dev/null | cut -c1-200)"
    fi
  done
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
  [ -z "$(left)" ] && exit "$status"
  sleep 0.5
done
echo "these processes outlived the tests:" >&2
left >&2
exit 1
