#!/usr/bin/env bash
# A POST that the server has read and acted on, and whose connection it then closes without an answer, as when it is restarted or a proxy gives up.
# The connection was kept alive from an earlier request. How often each client sends it.
#
# A guess: once. A POST isn't idempotent, so a client doesn't repeat it by itself (RFC 9110, section 9.2.2); the page or program gets the error.
# Behaviour: Chromium's fetch, Java's HttpURLConnection and curl send it a second time in silence, and wget until its tries are used up. Go's client
# does too if the request has an Idempotency-Key. Node's fetch, Python's requests, Ruby's Net::HTTP, Perl's LWP and Java's newer
# HttpClient send it once. So a one-time code that a person types once can arrive twice, and the answer that she sees is the second one's:
# "already used".
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; Node 20, Go 1.26, Java 17; curl 7.88.1, wget 1.21.3, requests 2.28.1, Ruby 3.1 and
# LWP 6.68 of Debian 12. Needs a JDK, Ruby, curl, wget, and a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
apt-get download -q -o APT::Sandbox::User= python3-requests python3-urllib3 python3-certifi python3-chardet python3-idna python3-six libwww-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.mjs <<'JS'
import { createServer } from "node:http";
const counts = {};
const server = createServer((request, response) => {
  const [, path, name] = request.url.split("/");
  request.resume().once("end", () => {
    if (path === "count") return response.end(String(counts[name] ?? 0));
    if (request.method === "GET") return response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
    counts[name] = (counts[name] ?? 0) + 1;
    request.socket.destroy();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
JS
coproc node server.mjs
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
export URL=http://127.0.0.1:$port
cat >ask.mjs <<'JS'
import { chromium } from "playwright-core";
const url = process.env.URL;
const ask = async (url, name) => {
  await (await fetch(`${url}/page`)).text();
  await fetch(`${url}/post/${name}`, { method: "POST", body: "code=1" }).catch(() => {});
};
await ask(url, "node");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.goto(`${url}/page`);
await page.evaluate(`(${ask})("${url}", "chromium")`);
await browser.close();
JS
cat >Ask.java <<'JAVA'
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        String url = System.getenv("URL");
        new URL(url + "/page").openConnection().getInputStream().readAllBytes();
        var old = (HttpURLConnection) new URL(url + "/post/java-old").openConnection();
        old.setDoOutput(true);
        old.getOutputStream().write("code=1".getBytes());
        try { old.getResponseCode(); } catch (IOException e) { }
        var client = HttpClient.newHttpClient();
        client.send(HttpRequest.newBuilder(URI.create(url + "/page")).build(), BodyHandlers.ofString());
        var post = HttpRequest.newBuilder(URI.create(url + "/post/java-new")).POST(HttpRequest.BodyPublishers.ofString("code=1")).build();
        try { client.send(post, BodyHandlers.ofString()); } catch (IOException e) { }
    }
}
JAVA
cat >main.go <<'GO'
package main

import (
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	url := os.Getenv("URL")
	for _, name := range []string{"go", "go-key"} {
		page, err := http.Get(url + "/page")
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, page.Body)
		page.Body.Close()
		post, _ := http.NewRequest("POST", url+"/post/"+name, strings.NewReader("code=1"))
		if name == "go-key" {
			post.Header.Set("Idempotency-Key", "1")
		}
		http.DefaultClient.Do(post)
	}
}
GO
cat >ask.py <<'PY'
import os, requests
session = requests.Session()
session.get(os.environ["URL"] + "/page")
try:
    session.post(os.environ["URL"] + "/post/python", data={"code": 1})
except requests.ConnectionError:
    pass
PY
node ask.mjs
java Ask.java
go run main.go
PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 ask.py
ruby -r net/http -e 'Net::HTTP.start("127.0.0.1", URI(ENV["URL"]).port) { |http| http.get("/page"); http.post("/post/ruby", "code=1") rescue EOFError }'
PERL5LIB=$dir/root/usr/share/perl5 perl -MLWP::UserAgent -e 'my $agent = LWP::UserAgent->new(keep_alive => 1); $agent->get("$ENV{URL}/page"); $agent->post("$ENV{URL}/post/perl", { code => 1 })'
curl -s -o page "$URL/page" --next -s -d code=1 "$URL/post/curl" || true
wget -q --tries=3 --post-data=code=1 -O answer "$URL/post/wget" || true
out=$(for name in chromium java-old java-new go go-key curl wget node python ruby perl; do echo "$name: $(curl -s "$URL/count/$name")"; done)
echo "$out"
want='chromium: 2
java-old: 2
java-new: 1
go: 1
go-key: 2
curl: 2
wget: 3
node: 1
python: 1
ruby: 1
perl: 1'
[ "$out" = "$want" ]
echo "as stated"
