#!/usr/bin/env bash
# Checks and builds the npm package and the pages, which the Go binary embeds. Both builds are committed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
need_node
npm_ci
(
  cd web/client
  npm run build --silent
  npm run types --silent
  npm run lint --silent
  npm test --silent
)
(
  cd web/pages
  npm run typecheck --silent
  npm test --silent
  npm run build --silent
)
