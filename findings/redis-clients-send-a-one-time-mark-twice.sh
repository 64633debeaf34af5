#!/usr/bin/env bash
# Clients of Redis, SET key value NX, and a connection that is cut after the command has arrived and before its answer.
#
# A guess: a client sends again what only reads; for a write it returns an error, and the caller, who knows what may be repeated, decides.
# Behaviour: go-redis and ioredis send the SET again by themselves, on a new connection. The first one has been carried out, so the second
# isn't the first any more, and the caller is told without an error that another was faster: a code or link that its owner has just
# used looks used up, once in each failover. rueidis and node-redis return an error. go-redis has MaxRetries: -1, ioredis
# autoResendUnfulfilledCommands: false and maxRetriesPerRequest.
#
# Seen with go-redis 9.23.0 and rueidis 1.0.79 on Go 1.26, ioredis 6.0.0 and redis 6.3.1 on Node 20, Redis 7.0.15 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; wait 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 "$dir"
apt-get download -q -o APT::Sandbox::User= redis-server=5:7.0.15-1~deb12u10 redis-tools=5:7.0.15-1~deb12u10 libjemalloc2 liblua5.1-0 liblzf1 libhiredis0.14 lua-bitop lua-cjson >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) root/usr/bin/redis-server --port 0 --unixsocket "$dir/socket" --save "" >log 2>&1 &
server=$!
for _ in $(seq 100); do [ -S socket ] && break; sleep 0.1; done
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if os.Args[2] == "go-redis" {
		client := redis.NewClient(&redis.Options{Addr: os.Args[1]})
		first, err := client.SetNX(ctx, "go-redis", "1", time.Minute).Result()
		fmt.Printf("first: %t, error: %t", first, err != nil)
		return
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{os.Args[1]}, DisableCache: true})
	if err != nil {
		panic(err)
	}
	err = client.Do(ctx, client.B().Set().Key("rueidis").Value("1").Nx().ExSeconds(60).Build()).Error()
	fmt.Printf("first: %t, error: %t", err == nil, err != nil && !rueidis.IsRedisNil(err))
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
go mod init try >/dev/null 2>&1
go get github.com/redis/go-redis/v9@v9.23.0 github.com/redis/rueidis@v1.0.79 >/dev/null 2>&1
go build -o try .
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ioredis@6.0.0 redis@6.3.1
cat >ask.mjs <<'JS'
import { execFile } from "node:child_process";
import net from "node:net";
import Redis from "ioredis";
import { createClient } from "redis";
const sent = {};
// Between client and server: the first SET of each client gets through, and the connection is cut in place of its answer.
const proxy = net.createServer((client) => {
  const server = net.connect("socket");
  let cut = false;
  client.on("error", () => {}).on("close", () => server.destroy());
  server.on("error", () => {}).on("close", () => client.destroy());
  client.on("data", (data) => {
    const key = /\r\nSET\r\n\$\d+\r\n([a-z-]+)\r\n/i.exec(`\r\n${data}`)?.[1];
    if (key) cut = (sent[key] = (sent[key] ?? 0) + 1) === 1;
    server.write(data);
  });
  server.on("data", (data) => (cut ? client.destroy() : client.write(data)));
});
await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
const { port } = proxy.address();
const told = (asked) => asked.then((answer) => `first: ${answer === "OK"}, error: false`, () => "first: false, error: true");
const go = (name) => new Promise((done, fail) => execFile("./try", [`127.0.0.1:${port}`, name], (error, out) => (error ? fail(error) : done(out))));
const ioredis = new Redis(port, "127.0.0.1").on("error", () => {});
const redis = createClient({ url: `redis://127.0.0.1:${port}` }).on("error", () => {});
await redis.connect();
const answers = {
  "go-redis": await go("go-redis"),
  ioredis: await told(ioredis.set("ioredis", "1", "EX", 60, "NX")),
  rueidis: await go("rueidis"),
  "node-redis": await told(redis.set("node-redis", "1", { expiration: { type: "EX", value: 60 }, condition: "NX" })),
};
for (const [name, answer] of Object.entries(answers)) console.log(`${name}: sent ${sent[name]} times, ${answer}`);
process.exit(0);
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='go-redis: sent 2 times, first: false, error: false
ioredis: sent 2 times, first: false, error: false
rueidis: sent 1 times, first: false, error: true
node-redis: sent 1 times, first: false, error: true'
[ "$out" = "$want" ]
echo "as stated"
