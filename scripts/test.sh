#!/usr/bin/env bash
# Everything that CI runs. With --long also what takes more than a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

command -v go >/dev/null || { echo "Go 1.26 or later is needed: https://go.dev/dl/" >&2; exit 1; }

say "Go: vet and tests"
need strace strace # with which servertest makes the disk fail
need redis-server redis-server
need_postgres
need /usr/sbin/pgbouncer pgbouncer # through which the stores must work, too
need nginx nginx-light # in front of which, and of Caddy, fronttest puts the program
need caddy caddy
need /usr/bin/python3 python3
[ -d /usr/lib/python3/dist-packages/cryptography ] || need no-such-command python3-cryptography
need_django
need_simplejwt
go vet ./...
(cd bench && go vet ./... && go test ./...)
CLOAKROOM_TESTS_NEED_ALL=1 go test ./...
go run ./faults -check

need_node
say "client and pages: types, tests, and builds that must equal the committed ones"
bash scripts/web.sh
[ -z "$(git status --porcelain -- web/client/dist web/pages/dist)" ] || {
  git status --short -- web/client/dist web/pages/dist
  echo "web/client/dist or web/pages/dist differs from a fresh build; run 'make web' and commit it" >&2
  exit 1
}

need chromium chromium
say "browser: the real server, driven in Chromium"
bash e2e/run.sh

if [ "${1:-}" = --long ]; then
  say "longer runs"
  bash scripts/long.sh
fi
say "all tests passed"
