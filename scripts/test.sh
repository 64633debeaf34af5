#!/usr/bin/env bash
# Runs everything that CI runs. With --long also the tests that take more than a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

command -v go >/dev/null || { echo "install Go 1.26 or later: https://go.dev/dl/" >&2; exit 1; }

say "Go: vet and tests"
need_servers
go vet ./...
(cd bench && go vet ./... && go test ./...)
CLOAKROOM_TESTS_NEED_ALL=1 go test -timeout 30m ./...

say "client and pages: types, tests, and builds, which must be equal to the committed ones"
bash scripts/web.sh
[ -z "$(git status --porcelain -- web/client/dist web/pages/dist)" ] || {
  git status --short -- web/client/dist web/pages/dist
  echo "web/client/dist or web/pages/dist differs from a new build; run 'make web' and commit the result" >&2
  exit 1
}

need chromium chromium
say "browser: the real server in Chromium"
bash e2e/run.sh

if [ "${1:-}" = --long ]; then
  say "longer runs"
  bash scripts/long.sh
fi
say "all tests passed"
