#!/usr/bin/env bash
# Runs the tests of each outside program against its newest release.
#
#   scripts/newest.sh              every program
#   scripts/newest.sh --write      every program, and writes docs/tested-with.md
#   scripts/newest.sh Valkey nginx only these
#
# The programs are packages of Debian's unstable and experimental, with the libraries that they need, unpacked into .cache/newest/root,
# and again when they have been there for a day. None of them is installed. Their loader and the path of their libraries are set to those in there, so they run on an older Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
root=$PWD/.cache/newest/root
only=("$@")
write=
if [ "${1:-}" = --write ]; then
  [ $# = 1 ] || { echo "--write is for a run of every program" >&2; exit 2; }
  write=1 only=()
fi
packages=(postgresql-18 valkey-server redis-server pgbouncer nginx-light caddy haproxy python3 python3.14 python3-djangorestframework
  python3-djangorestframework-simplejwt python3-cryptography python3-psycopg2 python3-argon2 python3-bcrypt gunicorn)

# unpack downloads and unpacks the packages. apt verifies them as usual. Django's newest is in experimental.
unpack() {
  local dir=$PWD/.cache/newest options mirror unpacking=$PWD/.cache/newest/unpacking
  say "unpacking the newest releases into .cache/newest"
  mirror=$(debian_mirror)
  rm -rf "$dir"
  mkdir -p "$dir"/{lists,cache/archives}/partial "$unpacking"
  : >"$dir/status"
  for suite in sid experimental; do
    echo "deb [target=Packages signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
  done >"$dir/sources.list"
  options=(-q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" -o Debug::NoLocking=1
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=)
  apt-get "${options[@]}" update
  local package there=()
  for package in "${packages[@]}"; do # what isn't there today isn't run
    if apt-cache "${options[@]}" show "$package" >/dev/null 2>&1; then there+=("$package"); else echo "Debian has no $package today"; fi
  done
  apt-get "${options[@]}" -y --download-only install "${there[@]}" python3-django/experimental >"$dir/log" ||
    apt-get "${options[@]}" -y --download-only install "${there[@]}" python3-django
  for package in "$dir"/cache/archives/*.deb; do dpkg-deb -x "$package" "$unpacking"; done
  rm -rf "$dir/cache" "$dir/lists"
  local libraries=$root/usr/lib/x86_64-linux-gnu program
  for program in "$unpacking"/usr/lib/postgresql/18/bin/* "$unpacking"/usr/bin/{python3.14,redis-check-rdb,redis-cli,valkey-check-rdb} \
    "$unpacking"/usr/sbin/{haproxy,nginx,pgbouncer}; do
    [ -e "$program" ] || continue
    patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries:$root/usr/lib/postgresql/18/lib" "$program"
  done
  mkdir -p "$dir"/{postgres,redis,valkey,other}
  for program in "$unpacking"/usr/lib/postgresql/18/bin/*; do ln -s "$root/usr/lib/postgresql/18/bin/${program##*/}" "$dir/postgres/"; done
  ln -s "$root/usr/bin/redis-server" "$dir/redis/redis-server"
  ln -s "$root/usr/bin/valkey-server" "$dir/valkey/redis-server"
  ln -s "$root"/usr/sbin/{nginx,pgbouncer,haproxy} "$root/usr/bin/caddy" "$dir/other/"
  touch "$unpacking"
  mv "$unpacking" "$root" # at last: a root that is there is whole
}

[ "$(dpkg --print-architecture)" = amd64 ] || { say "the newest releases: not run, the paths in here are those of amd64"; exit 0; }
need patchelf patchelf
need_servers
[ -n "$(find "$root" -maxdepth 0 -mtime -1 2>/dev/null)" ] || unpack
bin=$PWD/.cache/newest
rows=()
failed=()

# try NAME VERSION DIRECTORY PATTERN PACKAGE... runs the tests that match in these packages, with the programs of a directory. A
# package in which no test matches fails, and so does a pattern with a slash that no subtest matches. Without a version, nothing is run.
try() {
  local name=$1 version=$2 dir=$3 pattern=$4 result=passed log=$bin/tests.log passed
  shift 4
  if [ "${#only[@]}" -gt 0 ] && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
  if [ -z "$version" ]; then
    say "$name: not run"
    rows+=("| $name | | | not run: Debian had no package of it |")
    return
  fi
  say "$name $version: go test -run '$pattern' $*"
  PATH=$dir:$PATH CLOAKROOM_TESTS_NEED_ALL=1 go test -v -count=1 -timeout 40m -run "$pattern" "$@" >"$log" 2>&1 || result=failed
  passed=$(grep -cE -- "--- PASS: .*($pattern)" "$log" || true)
  if [ "$passed" = 0 ] || grep -q 'no tests to run' "$log"; then result=failed; fi
  if [ "$result" = failed ]; then
    failed+=("$name")
    grep -vE '^=== |^ *--- PASS' "$log" || true
  fi
  echo "$result: $passed tests and parts of tests that match have passed, $(grep -cE -- "--- SKIP: .*($pattern)" "$log" || true) were left out"
  rows+=("| $name | $version | \`go test -run '${pattern//|/\\|}' $*\` | $result |")
}

python=$root/usr/bin/python3.14 # it finds its modules beside itself
version() { if [ -x "$1" ]; then "$@" 2>&1 | grep -oE '[0-9]+(\.[0-9]+)+' | head -1; fi; }

postgres=$(version "$bin/postgres/postgres" --version)
try PostgreSQL "$postgres" "$bin/postgres" . ./postgres
try PostgreSQL "$postgres" "$bin/postgres" 'Postgres|Failover' ./internal/nearcache ./test/server
for store in Valkey Redis; do
  dir=$bin/${store,,}
  try "$store" "$(version "$dir/redis-server" --version)" "$dir" . ./redis ./internal/redisdb
  try "$store" "$(version "$dir/redis-server" --version)" "$dir" Redis ./internal/nearcache ./test/server
done
try PgBouncer "$(version "$bin/other/pgbouncer" --version)" "$bin/other" TestBehindAPooler ./test/server
try nginx "$(version "$bin/other/nginx" -v)" "$bin/other" /nginx ./test/gateway
try Caddy "$(version "$bin/other/caddy" version)" "$bin/other" /caddy ./test/gateway
try HAProxy "$(version "$bin/other/haproxy" -v)" "$bin/other" /haproxy ./test/gateway
export CLOAKROOM_PYTHON=$python
django=$(version "$python" -c 'import django; print(django.__version__)')
rest=$(version "$python" -c 'import rest_framework; print(rest_framework.VERSION)')
try Django "${django:+$django with REST framework $rest on Python $(version "$python" --version)}" "$PATH" 'Import|Django' ./django
try simplejwt "$(version "$python" -c 'import rest_framework_simplejwt; print(rest_framework_simplejwt.__version__)')" "$PATH" TestSimpleJWT ./internal/jwt
[ "${#rows[@]}" -gt 0 ] || { echo "there is no program of this name in here: ${only[*]}" >&2; exit 2; }
printf '%s\n' "${rows[@]}"
if [ -n "$write" ]; then
  {
    echo "# Tested with"
    echo
    echo "The newest releases of the programs beside Cloakroom, and what their tests said. \`scripts/newest.sh --write\` runs them and writes this page;"
    echo "\`make test\` uses the versions of the machine's own Debian."
    echo
    echo "This ran on $(date -u +%F), on Debian $(cat /etc/debian_version) with $(go env GOVERSION)."
    echo
    echo "| program | version | tests | result |"
    echo "|---|---|---|---|"
    printf '%s\n' "${rows[@]}"
  } >docs/tested-with.md
fi
[ "${#failed[@]}" = 0 ] || { say "failed: ${failed[*]}"; exit 1; }
