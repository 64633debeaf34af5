#!/usr/bin/env bash
# Runs everything that CI runs. With --long also the tests that take more than a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

command -v go >/dev/null || { echo "install Go 1.26 or later: https://go.dev/dl/" >&2; exit 1; }
need_servers
need chromium chromium
need chromium-headless-shell chromium-headless-shell

# The parts run one after another: side by side, browsers and their tests wait too long for the processors. A part that fails
# doesn't keep the others from running.
failed=()
part() {
  say "$1"
  "${@:2}" || failed+=("$1")
}
part "Go: vet and tests" bash scripts/go.sh
part "client and pages: types, tests, and builds, which must be equal to the committed ones" bash scripts/web.sh --check
part "browser: the real server in Chromium" bash e2e/run.sh
part "docs: the site, its links, its search, and its accessibility" bash scripts/docs.sh --check
if [ "${1:-}" = --long ]; then
  part "longer runs" bash scripts/long.sh
fi
[ "${#failed[@]}" = 0 ] || { say "failed: ${failed[*]}"; exit 1; }
say "all tests passed"
