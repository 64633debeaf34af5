#!/usr/bin/env bash
# Runs everything that CI runs. With --long also the tests that take more than a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

command -v go >/dev/null || { echo "install Go 1.26 or later: https://go.dev/dl/" >&2; exit 1; }
need_servers
need chromium chromium

logs=$(mktemp -d)
parts=() failed=()

# end stops the parts that still run.
end() {
  local part
  for part in "${parts[@]}"; do kill -- "-${part##*:}" 2>/dev/null || true; done
  rm -rf "$logs"
}
trap end EXIT

# beside NAME COMMAND... runs a part beside the others. Its output is shown when it has ended.
beside() {
  local name=$1
  shift
  set -m # a process group of its own, which end can stop
  "$@" >"$logs/$name" 2>&1 </dev/null &
  set +m
  parts+=("$name:$!")
}

# The parts run side by side, since each of them spends a good part of its time waiting.
beside "client and pages: types, tests, and builds, which must be equal to the committed ones" bash scripts/web.sh --check
beside "browser: the real server in Chromium" bash e2e/run.sh
say "Go: vet and tests"
bash scripts/go.sh || failed+=("Go")
for part in "${parts[@]}"; do
  name=${part%:*}
  wait "${part##*:}" || failed+=("${name%%:*}")
  say "$name"
  cat "$logs/$name"
done
parts=()
[ "${#failed[@]}" = 0 ] || { say "failed: ${failed[*]}"; exit 1; }

if [ "${1:-}" = --long ]; then
  say "longer runs"
  bash scripts/long.sh
fi
say "all tests passed"
