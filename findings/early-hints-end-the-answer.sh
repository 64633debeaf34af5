#!/usr/bin/env bash
# A sign-in whose server sends "103 Early Hints" before its answer, as frameworks and fronts do for the styles of the next page, in nineteen clients.
#
# A guess: a client reads over any 1xx that it doesn't know, one or several (RFC 9110, section 15.2), as it has had to do with 100 and 102 for decades.
# Behaviour: Python's http.client reads over 100 alone, so for requests, urllib3, httplib2 and HTTPie the answer is 103, without a body and without the
# cookie, and urllib raises HTTPError. LWP returns 103 as well. Java's HttpURLConnection says 103 and gives the head of the real answer, cookie
# included, as the body; w3m shows that head as text. httpx, aiohttp, tornado, HTTP::Tiny, Mojolicious, Ruby, PHP, Node's fetch, Java's HttpClient,
# curl and wget return the real answer. Who sends early hints has to send them to browsers alone (Sec-Fetch-Mode: navigate).
#
# Seen with requests 2.28.1, urllib3 1.26.12, httplib2 0.20.4, HTTPie 3.2.1, httpx 0.23.3, aiohttp 3.8.4 and tornado 6.2.0 on Python 3.11, LWP 6.68,
# HTTP::Tiny 0.080, Mojolicious 9.31, Ruby 3.1, PHP 8.2, OpenJDK 17, w3m 0.5.3, curl 7.88.1 and wget 1.21.3 from Debian 12; Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= curl libcurl4 wget w3m libgc1 httpie python3-requests python3-urllib3 python3-certifi python3-chardet python3-idna \
  python3-six python3-httplib2 python3-pyparsing python3-httpx python3-httpcore python3-h11 python3-anyio python3-sniffio python3-rfc3986 python3-aiohttp \
  python3-multidict python3-yarl python3-async-timeout python3-attr python3-frozenlist python3-aiosignal python3-charset-normalizer python3-tornado \
  python3-pygments python3-requests-toolbelt python3-multipart python3-rich python3-defusedxml python3-socks libmojolicious-perl libwww-perl \
  libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl libencode-locale-perl libio-html-perl liblwp-mediatypes-perl libtimedate-perl \
  libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl libhttp-negotiate-perl libwww-robotrules-perl libfile-listing-perl \
  libhttp-cookies-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
export HOME=$dir
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
cat >server.py <<'PY'
import os, socketserver
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1]
        while self.rfile.readline() not in (b"\r\n", b""): pass
        if path == b"/hints":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </app.css>; rel=preload; as=style\r\n\r\n")
            self.wfile.flush()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
with open("port.new", "w") as port: port.write(str(server.server_address[1]))
os.rename("port.new", "port")
server.serve_forever()
PY
cat >ask.py <<'PY'
import asyncio, sys, urllib.error, urllib.request
import aiohttp, httplib2, httpx, requests, tornado.httpclient, urllib3
url = sys.argv[1]
def with_urllib():
    try:
        with urllib.request.urlopen(url) as answer: return answer.status, answer.read()
    except urllib.error.HTTPError as error: return error.code, "and HTTPError"
async def with_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as answer: return answer.status, await answer.read()
def with_httplib2():
    head, body = httplib2.Http().request(url)
    return head.status, body
def of(answer, status, body): return getattr(answer, status), getattr(answer, body)
ways = {
    "urllib": with_urllib,
    "requests": lambda: of(requests.get(url), "status_code", "content"),
    "urllib3": lambda: of(urllib3.PoolManager().request("GET", url), "status", "data"),
    "httplib2": with_httplib2,
    "httpx": lambda: of(httpx.get(url), "status_code", "content"),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "tornado": lambda: of(tornado.httpclient.HTTPClient().fetch(url, raise_error=False), "code", "body"),
}
for name, way in ways.items():
    status, body = way()
    print(f"{name}:", status, body.decode() if isinstance(body, bytes) else body)
PY
cat >Ask.java <<'JAVA'
import java.net.*;
import java.net.http.*;
public class Ask {
  public static void main(String[] words) throws Exception {
    var old = (HttpURLConnection) new URL(words[0]).openConnection();
    var status = old.getResponseCode();
    var text = new String(old.getInputStream().readAllBytes());
    System.out.println("HttpURLConnection: " + status + " " + (text.contains("Set-Cookie: sid=1") ? "the real answer's head as the body" : text));
    var answer = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(words[0])).build(), HttpResponse.BodyHandlers.ofString());
    System.out.println("HttpClient: " + answer.statusCode() + " " + answer.body());
  }
}
JAVA
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 600); do [ -e port ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat port)
ask() {
  timeout 120 /usr/bin/python3 -W ignore ask.py "$1"
  echo "httpie: $(timeout 60 /usr/bin/python3 -W ignore root/usr/bin/http --ignore-stdin -h "$1" | sed -n '1s/[^ ]* \([0-9]*\).*/\1/p') $(timeout 60 /usr/bin/python3 -W ignore root/usr/bin/http --ignore-stdin -b "$1")"
  perl -MLWP::UserAgent -e '$_ = LWP::UserAgent->new->get($ARGV[0]); print "LWP: ", $_->code, " ", $_->content, "\n"' "$1"
  perl -MHTTP::Tiny -e '$_ = HTTP::Tiny->new->get($ARGV[0]); print "HTTP::Tiny: $_->{status} $_->{content}\n"' "$1"
  perl -MMojo::UserAgent -e '$_ = Mojo::UserAgent->new->get($ARGV[0])->result; print "Mojolicious: ", $_->code, " ", $_->body, "\n"' "$1"
  ruby -rnet/http -e 'answer = Net::HTTP.get_response(URI(ARGV[0])); puts "Ruby: #{answer.code} #{answer.body}"' "$1"
  php -r '$body = file_get_contents($argv[1]); echo "PHP: ", explode(" ", $http_response_header[0])[1], " $body\n";' "$1"
  node -e 'fetch(process.argv[1]).then(async (answer) => console.log("fetch:", answer.status, await answer.text()))' "$1"
  timeout 120 java Ask.java "$1"
  echo "curl: $(LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -w '%{stderr}%{http_code}' -o body "$1" 2>&1) $(cat body)"
  echo "wget: $(root/usr/bin/wget -S -O body "$1" 2>&1 | sed -n 's/^ *HTTP\/1.1 \([0-9]*\).*/\1/p' | tail -n 1) $(cat body)"
  echo "w3m: $(LD_LIBRARY_PATH=$libraries root/usr/bin/w3m -dump "$1" | sed -n "1{/^HTTP/{s/.*/the real answer's head as the text/;p;q};p}")"
}
plain=$(ask "$site/plain" | sed 's/ *$//')
[ "$(grep -c ': \(200 \)\?hello$' <<<"$plain")" = "$(wc -l <<<"$plain")" ]
out=$(ask "$site/hints" | sed 's/ *$//')
echo "$out"
want="urllib: 103 and HTTPError
requests: 103
urllib3: 103
httplib2: 103
httpx: 200 hello
aiohttp: 200 hello
tornado: 200 hello
httpie: 103
LWP: 103
HTTP::Tiny: 200 hello
Mojolicious: 200 hello
Ruby: 200 hello
PHP: 200 hello
fetch: 200 hello
HttpURLConnection: 103 the real answer's head as the body
HttpClient: 200 hello
curl: 200 hello
wget: 200 hello
w3m: the real answer's head as the text"
[ "$out" = "$want" ]
echo "as stated"
