#!/usr/bin/env bash
# Vets and tests the Go packages. Arguments are added to those of go test.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
need_servers
need systemd-analyze systemd # release reads its unit with it; where systemd doesn't run, its package starts nothing
(cd e2e && npm_ci) # test/server signs people in at npm's oidc-provider

# The files of the tests are kept in memory, if there is plenty: databases then don't wait for the disk at each commit. No test
# cuts the power, so none can tell. What Go builds stays on the disk.
available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null || true)
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "${available:-0}" -gt 8000000 ] &&
  [ "$(df --output=avail /dev/shm | tail -n 1)" -gt 4000000 ]; then
  export GOTMPDIR=${GOTMPDIR:-${TMPDIR:-/tmp}}
  TMPDIR=$(mktemp -d /dev/shm/cloakroom.XXXX)
  trap 'rm -rf "$TMPDIR"' EXIT
  chmod 711 "$TMPDIR" # PostgreSQL runs as another user and has its folders in here
  export TMPDIR
fi

export CLOAKROOM_TESTS_NEED_ALL=1
(cd bench && go test -vet=all ./...)
(cd test/otherop && go test -vet=all ./...)
(cd examples/routers && go test -vet=all ./...)
(cd release && go test -vet=all -timeout 60m ./...)
# Many tests wait, for servers and for what must happen, so more packages run at once than there are processors. The longest begin.
longest="./test/server ./internal/httpapi ./django ./postgres ./cmd/cloakroom ./test/gateway"
# shellcheck disable=SC2086
go test -vet=all -timeout 30m -p "$(($(nproc) * 2))" "$@" $longest ./...
