#!/usr/bin/env bash
# Checks to run before a change is proposed: format, vet, staticcheck, the race detector, and a short fuzz of each target.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
seconds=${FUZZ_SECONDS:-10}

say "format"
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || { echo "run gofmt -w on these files: $unformatted" >&2; exit 1; }

say "vet and staticcheck"
for module in . bench examples/routers release test/otherop; do
  (cd "$module" && go vet ./... && go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...)
done

say "race detector"
need gcc gcc libc6-dev
need_servers
(cd e2e && npm_ci) # test/server signs people in at npm's oidc-provider
export CLOAKROOM_TESTS_NEED_ALL=1
go test -race -timeout 60m ./...

say "fuzz, $seconds s a target"
go list -f '{{$p := .ImportPath}}{{$d := .Dir}}{{range .TestGoFiles}}{{$p}} {{$d}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p}} {{$d}}/{{.}}{{"\n"}}{{end}}' ./... |
  while read -r package file; do
    [ -n "${file:-}" ] || continue
    { grep -ho '^func Fuzz[A-Za-z0-9_]*' "$file" || true; } | sed 's/^func //' | while read -r target; do
      echo "$package $target"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" "$package" </dev/null
    done
  done
say "all checks passed"
