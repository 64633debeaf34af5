#!/usr/bin/env bash
# Java 17, java.net.http.HttpClient with a java.net.CookieManager.
#
# A guess: Max-Age alone makes a cookie like any other, which comes back as name=value.
# Behaviour: a Set-Cookie with Max-Age and without Expires is taken for a cookie of RFC 2965, version 1. It comes back as
#   $Version="1"; name="value";$Path="/";$Domain="HOST"
# with the value in quotes. With Expires beside Max-Age it is a Netscape cookie, version 0, and comes back as name=value.
# A server that compares session cookies byte for byte signs such a client in, and doesn't recognise its next request.
#
# Seen with OpenJDK 17.0.15. Needs a JDK 17 (javac, java); downloads Debian's package into a temporary folder if
# there is none.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
if ! javac -version 2>&1 | grep -q '^javac 17\.'; then
  chmod 755 .
  apt-get download -q -o APT::Sandbox::User= openjdk-17-jdk-headless openjdk-17-jre-headless >/dev/null
  for package in *.deb; do dpkg-deb -x "$package" root; done
  PATH="$dir/root/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture)/bin:$PATH"
fi
cat >Cookies.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.net.http.*;

public class Cookies {
  public static void main(String[] args) throws Exception {
    var seen = new java.util.concurrent.atomic.AtomicReference<String>();
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.createContext("/", exchange -> {
      seen.set(exchange.getRequestHeaders().getFirst("Cookie"));
      var expires = exchange.getRequestURI().getPath().equals("/both") ? "; Expires=Wed, 01 Jan 2098 00:00:00 GMT" : "";
      exchange.getResponseHeaders().add("Set-Cookie", "sid=abc; Path=/; Max-Age=600" + expires);
      exchange.sendResponseHeaders(204, -1);
      exchange.close();
    });
    server.start();
    for (var path : new String[] {"/alone", "/both"}) {
      var client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
      var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path)).build();
      client.send(request, HttpResponse.BodyHandlers.discarding());
      client.send(request, HttpResponse.BodyHandlers.discarding());
      System.out.println(path + " " + seen.get());
    }
    server.stop(0);
  }
}
JAVA
java -version 2>&1 | head -n 1
out=$(java Cookies.java)
echo "$out"
grep -qxF '/alone $Version="1"; sid="abc";$Path="/";$Domain="127.0.0.1"' <<<"$out"
grep -qxF '/both sid=abc' <<<"$out"
echo "as stated"
