#!/usr/bin/env bash
# Clients of event streams, and the Last-Event-ID with which they ask again: after an event that was cut in the middle, and after an id without data.
#
# A guess: the HTML standard says when an id counts: at the blank line that ends an event. So an event that a restart cuts is asked for again, and a
# server that has only news for others can send "id: 2" and a blank line, so that those are never asked for.
# Behaviour: eventsource 2 and fetch-event-source take the id as soon as its line is there. When a stream is cut within an event, they haven't handed
# it over, and ask for what comes after it: that event is lost. eventsource 4 does the opposite and takes an id with data only, so an id alone
# moves nothing, and the client is sent the same again. r3labs/sse hands the half event over, and a stream that ends is its end: no error, no second
# request. Chromium, undici, launchdarkly/eventsource and go-sse do both as the standard says.
#
# Seen with Chromium 156 from Debian 12; eventsource 2.0.2 and 4.1.0, undici 7.16.0 and @microsoft/fetch-event-source 2.0.1 on Node 20;
# r3labs/sse 2.10.0, launchdarkly/eventsource 1.11.0 and tmaxmax/go-sse 0.12.0 on Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund eventsource2@npm:eventsource@2.0.2 eventsource4@npm:eventsource@4.1.0 undici@7.16.0 @microsoft/fetch-event-source@2.0.1 playwright-core@1.56.1
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/launchdarkly/eventsource v1.11.0
	github.com/r3labs/sse/v2 v2.10.0
	github.com/tmaxmax/go-sse v0.12.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

func main() {
	url := os.Args[2]
	switch os.Args[1] {
	case "launchdarkly":
		stream, err := launchdarkly.SubscribeWithURL(url, launchdarkly.StreamOptionInitialRetry(50*time.Millisecond))
		if err != nil {
			panic(err)
		}
		go func() {
			for range stream.Errors {
			}
		}()
		for event := range stream.Events {
			fmt.Println(event.Data())
		}
	case "r3labs":
		err := r3labs.NewClient(url).SubscribeRaw(func(event *r3labs.Event) { fmt.Println(string(event.Data)) })
		if err != nil {
			fmt.Println("an error")
		}
	case "tmaxmax":
		request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		connection := tmaxmax.NewConnection(request)
		connection.SubscribeMessages(func(event tmaxmax.Event) { fmt.Println(event.Data) })
		connection.Connect()
	}
}
GO
go mod tidy >/dev/null 2>&1
go build -o ask .
cat >ask.mjs <<'JS'
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import Two from "eventsource2";
import { EventSource as Four } from "eventsource4";
import { chromium } from "playwright-core";
import { EventSource as Undici } from "undici";
const streams = {
  cut: "retry: 50\n\nid: 1\ndata: one\n\nid: 2\ndata: two\n",
  "an id alone": "retry: 50\n\nid: 1\ndata: one\n\nid: 2\n\n",
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const source = (Source) => (url, seen) => {
  const stream = new Source(url);
  stream.onmessage = ({ data }) => seen(data);
  return () => stream.close();
};
const program = (name) => (url, seen, ended) => {
  const child = spawn("./ask", [name, url], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.on("data", (lines) => String(lines).trim().split("\n").forEach(seen));
  child.on("close", () => ended("gets no error and never asks again"));
  return () => child.kill();
};
// What fetch-event-source takes for granted of a browser.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const clients = {
  Chromium: async (url, seen) => {
    const page = await browser.newPage();
    await page.exposeFunction("seen", seen);
    await page.goto(new URL("/page", url).href);
    await page.evaluate((url) => void (new EventSource(url).onmessage = ({ data }) => window.seen(data)), url);
    return () => page.close();
  },
  "eventsource 2": source(Two),
  "eventsource 4": source(Four),
  undici: source(Undici),
  "fetch-event-source": (url, seen) => {
    const end = new AbortController();
    fetchEventSource(url, { signal: end.signal, openWhenHidden: true, onmessage: ({ data }) => data && seen(data),
      onclose: () => { throw new Error("ask again"); }, onerror: () => 50 }).catch(() => {});
    return () => end.abort();
  },
  "r3labs/sse": program("r3labs"),
  "launchdarkly/eventsource": program("launchdarkly"),
  "tmaxmax/go-sse": program("tmaxmax"),
};
for (const [what, stream] of Object.entries(streams)) {
  console.log(`${what}:`);
  for (const [name, client] of Object.entries(clients)) {
    let requests = 0;
    let asked;
    const again = new Promise((done) => (asked = done));
    const server = createServer((request, response) => {
      if (request.url !== "/stream") return response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      if (++requests === 1) return response.end(stream);
      response.flushHeaders();
      asked(`asks from ${request.headers["last-event-id"]}`);
    });
    await new Promise((done) => server.listen(0, "localhost", done));
    const events = [];
    const close = await client(`http://localhost:${server.address().port}/stream`, (data) => data && events.push(data), asked);
    const then = await again;
    console.log(`  ${name} has had ${events.join(" and ")}, ${then}`);
    await close();
    server.closeAllConnections();
    server.close();
  }
}
await browser.close();
process.exit(0);
JS
out=$(timeout 300 node ask.mjs 2>/dev/null)
echo "$out"
want='cut:
  Chromium has had one, asks from 1
  eventsource 2 has had one, asks from 2
  eventsource 4 has had one, asks from 1
  undici has had one, asks from 1
  fetch-event-source has had one, asks from 2
  r3labs/sse has had one and two, gets no error and never asks again
  launchdarkly/eventsource has had one, asks from 1
  tmaxmax/go-sse has had one, asks from 1
an id alone:
  Chromium has had one, asks from 2
  eventsource 2 has had one, asks from 2
  eventsource 4 has had one, asks from 1
  undici has had one, asks from 2
  fetch-event-source has had one, asks from 2
  r3labs/sse has had one, gets no error and never asks again
  launchdarkly/eventsource has had one, asks from 2
  tmaxmax/go-sse has had one, asks from 2'
[ "$out" = "$want" ]
echo "as stated"
