#!/usr/bin/env bash
# The tests that take longer than a few minutes: whole matrices and long runs, a test must find every planted fault, and each fuzz
# target runs for a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
need buildah buildah # builds the image of docs/deploy.md
need firefox-esr firefox-esr # e2e/firefox walks through the pages with it
need debootstrap debootstrap # makes a Debian system to install the package in
CLOAKROOM_DEBIAN_MIRROR=$(debian_mirror)
export CLOAKROOM_DEBIAN_MIRROR
go run ./internal/mutants
CLOAKROOM_LONG=1 bash scripts/go.sh -count=1 -timeout 180m -p "$(nproc)"
CLOAKROOM_LONG=1 bash scripts/web.sh --check
CLOAKROOM_LONG=1 bash e2e/run.sh
bash e2e/run.sh walks.test.mjs # follows the pages of docs/start as their readers do
CLOAKROOM_LONG=1 bash scripts/docs.sh --check
bash e2e/run.sh firefox/pages.test.mjs
FUZZ_SECONDS=60 bash scripts/check.sh
bash scripts/newest.sh # against the newest releases of the programs beside ours
