#!/usr/bin/env bash
# Checks and builds the pages that the Go binary embeds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
need_node
cd web/pages
npm ci --silent --no-audit --no-fund
npm run typecheck
npm test
npm run build
