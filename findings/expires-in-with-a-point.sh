#!/usr/bin/env bash
# OAuth clients of Node, Python and Go, and a token endpoint whose answer says "expires_in": 3600.0, as Python's json writes timedelta.total_seconds().
#
# A guess: JSON has one kind of number, and 3600, 3600.0 and 3.6e3 are the same one, so no client sees a difference; at most a fraction is cut.
# Behaviour: Go's x/oauth2 refuses the whole answer: "cannot parse json: strconv.ParseInt", and so there is no token. The same number in quotes, "3600",
# which isn't right, passes there. oauth4webapi, openid-client, simple-oauth2, client-oauth2, @badgateway/oauth2-client, Authlib and requests-oauthlib take
# all three. A provider that is tried with clients in Python and JavaScript fails at the first one in Go.
#
# Seen with golang.org/x/oauth2 0.33.0 on Go 1.26; oauth4webapi 3.8.8, openid-client 6.9.0, simple-oauth2 5.1.0, client-oauth2 4.3.3 and @badgateway/oauth2-client
# 3.3.1 on Node 20; Authlib 1.2.0 and requests-oauthlib 1.3.0 from Debian 12, and its Python 3.11.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund oauth4webapi@3.8.8 openid-client@6.9.0 simple-oauth2@5.1.0 client-oauth2@4.3.3 @badgateway/oauth2-client@3.3.1
apt-get download -q -o APT::Sandbox::User= python3-authlib python3-requests-oauthlib python3-oauthlib python3-requests python3-urllib3 python3-certifi \
  python3-chardet python3-idna python3-six python3-cryptography python3-cffi-backend >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
cat >server.py <<'PY'
import datetime, json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
life = datetime.timedelta(hours=1).total_seconds()
texts = {"/whole": json.dumps(int(life)), "/point": json.dumps(life), "/power": "3.6e3", "/quoted": '"3600"'}
class Answer(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"access_token":"t","token_type":"Bearer","expires_in":%s}' % texts[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
with open("port.new", "w") as port: port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PY
cat >ask.mjs <<'JS'
import { OAuth2Client } from "@badgateway/oauth2-client";
import ClientOAuth2 from "client-oauth2";
import * as oauth4webapi from "oauth4webapi";
import * as openid from "openid-client";
import { ClientCredentials } from "simple-oauth2";
const [, , origin, kind] = process.argv;
const url = `${origin}/${kind}`, id = "app", secret = "s";
const server = { issuer: origin, token_endpoint: url };
const until = (end) => Math.round((new Date(end) - Date.now()) / 1000);
const ways = {
  oauth4webapi: async () => {
    const options = { [oauth4webapi.allowInsecureRequests]: true };
    const answer = await oauth4webapi.clientCredentialsGrantRequest(server, { client_id: id }, oauth4webapi.ClientSecretBasic(secret), {}, options);
    return (await oauth4webapi.processClientCredentialsResponse(server, { client_id: id }, answer)).expires_in;
  },
  "openid-client": async () => {
    const config = new openid.Configuration(server, id, secret);
    openid.allowInsecureRequests(config);
    return (await openid.clientCredentialsGrant(config)).expires_in;
  },
  "simple-oauth2": async () => until((await new ClientCredentials({ client: { id, secret }, auth: { tokenHost: origin, tokenPath: `/${kind}` } }).getToken({})).token.expires_at),
  "client-oauth2": async () => until((await new ClientOAuth2({ clientId: id, clientSecret: secret, accessTokenUri: url }).credentials.getToken()).expires),
  badgateway: async () => until((await new OAuth2Client({ server: origin, tokenEndpoint: `/${kind}`, clientId: id, clientSecret: secret }).clientCredentials()).expiresAt),
};
for (const [name, way] of Object.entries(ways)) console.log(`${kind} ${name}: ${await way().then((life) => (Math.abs(life - 3600) < 600 ? "an hour" : life), () => "refused")}`);
JS
cat >ask.py <<'PY'
import os, sys, time
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session as Other
origin, kind = sys.argv[1:]
url = f"{origin}/{kind}"
ways = {
    "authlib": lambda: OAuth2Session("app", "s").fetch_token(url, grant_type="client_credentials"),
    "requests-oauthlib": lambda: Other(client=BackendApplicationClient("app")).fetch_token(url, client_id="app", client_secret="s"),
}
for name, way in ways.items():
    try:
        left = way()["expires_at"] - time.time()
        print(f"{kind} {name}:", "an hour" if abs(left - 3600) < 600 else left)
    except Exception:
        print(f"{kind} {name}: refused")
PY
cat >go.mod <<'MOD'
module finding
go 1.26
require golang.org/x/oauth2 v0.33.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	config := clientcredentials.Config{TokenURL: os.Args[1] + "/" + os.Args[2], ClientID: "app", ClientSecret: "s", AuthStyle: oauth2.AuthStyleInHeader}
	token, err := config.Token(context.Background())
	switch {
	case err != nil:
		fmt.Println(os.Args[2], "x/oauth2:", err)
	case time.Until(token.Expiry) > 50*time.Minute && time.Until(token.Expiry) <= time.Hour:
		fmt.Println(os.Args[2], "x/oauth2: an hour")
	}
}
GO
go mod tidy >/dev/null 2>&1
go build -o ask .
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 600); do [ -e port ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat port)
out=$(for kind in whole point power quoted; do
  node ask.mjs "$site" $kind
  /usr/bin/python3 -W ignore ask.py "$site" $kind
  ./ask "$site" $kind
done)
echo "$out"
grep -v '^quoted' <<<"$out" | grep -v x/oauth2 >others
[ "$(grep -c ': an hour$' others)" = 21 ] && [ "$(wc -l <others)" = 21 ]
[ "$(grep x/oauth2 <<<"$out")" = 'whole x/oauth2: an hour
point x/oauth2: oauth2: cannot parse json: strconv.ParseInt: parsing "3600.0": invalid syntax
power x/oauth2: oauth2: cannot parse json: strconv.ParseInt: parsing "3.6e3": invalid syntax
quoted x/oauth2: an hour' ]
echo "as stated"
