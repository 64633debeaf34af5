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
  memory=$(mktemp -d /dev/shm/cloakroom.XXXX)
  trap 'rm -rf "$memory"' EXIT
  chmod 711 "$memory" # PostgreSQL runs as another user and has its folders in here
  export TMPDIR=$memory
fi

export CLOAKROOM_TESTS_NEED_ALL=1
export GOWORK=off # a workspace around this folder is not ours
like_a_release
# With room for garbage the compiler takes a fifth less processor time; the largest package then takes 1.5 GB. The tests and the programs
# that they start keep Go's usual setting.
limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max) # of a container
if [ "${available:-0}" -gt 8000000 ] && { [ "$limit" = max ] || [ "$limit" -gt 8000000000 ]; }; then
  GOFLAGS+=" '-toolexec=env GOGC=400'"
fi

# The modules that use ours are tested in a workspace with it: outside of one, our packages count as those of another version, and are
# compiled again. Each must be whole by itself all the same. gin without MessagePack, which the example doesn't use, compiles in half the time.
# A workspace takes no -mod=mod of the machine's GOFLAGS.
using=(./bench ./test/otherop ./examples/routers)
work=$(mktemp -d)
trap 'rm -rf "$work" "${memory:-}"' EXIT
{
  echo "go $(go list -m -f '{{.GoVersion}}')"
  printf 'use "%s"\n' "$PWD" "${using[@]/#./$PWD}"
} >"$work/go.work"
for module in "${using[@]}"; do
  (cd "$module" && go list -test -deps ./... >/dev/null)
done
GOFLAGS=$(sed -E 's/(^| )--?mod=[^ ]*//g' <<<"$GOFLAGS") GOWORK=$work/go.work go test -vet=all -tags=nomsgpack "${using[@]/%//...}"
(cd release && go test -vet=all -timeout 60m ./...)
# Many tests wait, for servers and for what must happen, so more packages run at once than there are processors. The longest begin.
[[ " $* " != *" -race "* ]] || export CGO_ENABLED=1 # the race detector needs it
longest="./test/server ./internal/httpapi ./django ./postgres ./cmd/cloakroom ./test/gateway"
# shellcheck disable=SC2086
go test -vet=all -timeout 30m -p "$(($(nproc) * 2))" "$@" $longest ./...
