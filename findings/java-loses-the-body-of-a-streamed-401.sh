#!/usr/bin/env bash
# Java 17, HttpURLConnection: a POST whose length is told before, by setFixedLengthStreamingMode or setChunkedStreamingMode, and the answer 401.
#
# A guess: getErrorStream() has the body of an answer from 400 on, so a client reads there whether its password is wrong, its session over or its second
# step missing, in the JSON of the API.
# Behaviour: for a 401 to such a POST getErrorStream() is null, though the answer has a body and the code is there; for a 403 it has the body, and so
# it has for a 401 without streaming. getInputStream() throws HttpRetryException, though no Authenticator is set, and says "cannot retry due
# to server authentication, in streaming mode". java.net.http.HttpClient has the body.
#
# Seen with OpenJDK 17.0 of Debian 12.
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
cat >Post.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.io.InputStream;
import java.net.HttpRetryException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Post {
    static final byte[] QUESTION = "{\"password\":\"?\"}".getBytes();

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            exchange.getRequestBody().readAllBytes();
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer realm=\"api\"");
            byte[] answer = "{\"code\":\"wrong\"}".getBytes();
            exchange.sendResponseHeaders(Integer.parseInt(exchange.getRequestURI().getPath().substring(1)), answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        for (int status : new int[] {401, 403}) {
            URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/" + status);
            for (String mode : new String[] {"plain", "fixed length", "chunked"}) {
                HttpURLConnection connection = open(uri, mode);
                int code = connection.getResponseCode();
                InputStream body = connection.getErrorStream();
                String text = body == null ? "no body" : new String(body.readAllBytes());
                String thrown = "nothing";
                try {
                    open(uri, mode).getInputStream();
                } catch (Exception e) {
                    thrown = e.getClass().getSimpleName();
                    if (e instanceof HttpRetryException) thrown += ", " + e.getMessage();
                }
                System.out.println(mode + ": " + code + ", " + text + ", getInputStream throws " + thrown);
            }
            HttpRequest request = HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofByteArray(QUESTION)).build();
            HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println("HttpClient: " + answer.statusCode() + ", " + answer.body());
        }
        System.exit(0);
    }

    static HttpURLConnection open(URI uri, String mode) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        if (mode.equals("fixed length")) connection.setFixedLengthStreamingMode(QUESTION.length);
        if (mode.equals("chunked")) connection.setChunkedStreamingMode(0);
        connection.getOutputStream().write(QUESTION);
        return connection;
    }
}
JAVA
out=$(java -Djava.net.useSystemProxies=false Post.java)
echo "$out"
want='plain: 401, {"code":"wrong"}, getInputStream throws IOException
fixed length: 401, no body, getInputStream throws HttpRetryException, cannot retry due to server authentication, in streaming mode
chunked: 401, no body, getInputStream throws HttpRetryException, cannot retry due to server authentication, in streaming mode
HttpClient: 401, {"code":"wrong"}
plain: 403, {"code":"wrong"}, getInputStream throws IOException
fixed length: 403, {"code":"wrong"}, getInputStream throws IOException
chunked: 403, {"code":"wrong"}, getInputStream throws IOException
HttpClient: 403, {"code":"wrong"}'
[ "$out" = "$want" ]
echo "as stated"
