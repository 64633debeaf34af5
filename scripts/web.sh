#!/usr/bin/env bash
# Checks and builds what is committed built: the npm package, and the pages that the Go binary embeds.
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
