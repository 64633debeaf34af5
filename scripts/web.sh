#!/usr/bin/env bash
# Checks and builds the npm package and the pages, which the Go binary embeds. Both builds are committed.
# With --check it leaves the committed builds alone, and fails unless a new build is equal to them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
client=$PWD/web/client/dist pages=$PWD/web/pages/dist
if [ "${1:-}" = --check ]; then
  new=$(mktemp -d)
  trap 'rm -rf "$new"' EXIT
  client=$new/client pages=$new/pages
fi

# equal fails unless a new build is equal to the committed one.
equal() {
  [ "$1" = "$2" ] || diff -r "$1" "$2" >&2 || {
    echo "$2 differs from a new build; run 'make web' and commit the result" >&2
    return 1
  }
}

need_node
npm_ci
(
  cd web/client
  npm run build --silent -- "$client"
  equal "$client" "$PWD/dist"
  npm run types --silent
  npm run lint --silent
  npm test --silent
)
(
  cd web/pages
  npm run typecheck --silent
  npm test --silent
  npm run build --silent -- --outDir "$pages" --emptyOutDir
  equal "$pages" "$PWD/dist"
)
