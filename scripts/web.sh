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

# equal fails unless a new build is equal to the committed one. Compressed files are equal if what they hold is.
equal() {
  [ "$1" = "$2" ] && return
  local committed=$new/committed
  rm -rf "$committed" && cp -r "$2" "$committed"
  find "$1" "$committed" -name '*.gz' -exec gunzip {} +
  diff -r "$1" "$committed" >&2 || {
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
  gzip -9 -n "$pages"/assets/*
  equal "$pages" "$PWD/dist"
)
