#!/usr/bin/env bash
# Builds the site of the documentation into docs/site/dist. A link to a page that isn't there fails the build. With --check, it also checks the
# links to headings, the search, and in Debian's Chromium the accessibility.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

need_node
(cd docs/site && npm_ci && npm run build --silent)
if [ "${1:-}" = --check ]; then
  need chromium chromium
  (cd e2e && npm_ci)
  (cd docs/site && npm test --silent)
fi
