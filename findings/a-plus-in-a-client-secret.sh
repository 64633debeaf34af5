#!/usr/bin/env bash
# OAuth clients and servers, client_secret_basic, and a client secret as "openssl rand -base64 32" makes them: with +, / and =.
#
# A guess: the secret goes into HTTP Basic as it is, on both sides; or both sides encode it like a form first, as RFC 6749, section 2.3.1, says.
# Behaviour: oauth4webapi, simple-oauth2, @badgateway/oauth2-client and Go's x/oauth2 encode; Python's Authlib and requests-oauthlib don't. Of servers,
# oidc-provider decodes, and so a bare + becomes a blank; @node-oauth/oauth2-server doesn't. So the right secret is refused in half of the
# pairs (invalid_client), and with letters and digits alone, as in tests, all of them work. Secrets in hex or base64url have no such signs.
#
# Seen with oauth4webapi 3.8.8, simple-oauth2 5.1.0, @badgateway/oauth2-client 3.3.1, oidc-provider 9.13.3, @node-oauth/oauth2-server 5.3.0 on Node 20;
# golang.org/x/oauth2 0.33.0 on Go 1.26; Authlib 1.2.0 and requests-oauthlib 1.3.0 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund oauth4webapi@3.8.8 simple-oauth2@5.1.0 @badgateway/oauth2-client@3.3.1 oidc-provider@9.13.3 @node-oauth/oauth2-server@5.3.0
apt-get download -q -o APT::Sandbox::User= python3-authlib python3-requests-oauthlib python3-oauthlib python3-requests python3-urllib3 python3-certifi \
  python3-chardet python3-idna python3-six python3-cryptography python3-cffi-backend >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >servers.mjs <<'JS'
import { createServer } from "node:http";
import OAuth2Server from "@node-oauth/oauth2-server";
import Provider from "oidc-provider";
const [, , ...secrets] = process.argv;
const clients = secrets.map((secret, at) => ({ id: `app${at}`, secret }));
const provider = new Provider("http://localhost", {
  clients: clients.map(({ id, secret }) => ({ client_id: id, client_secret: secret, grant_types: ["client_credentials"], response_types: [], redirect_uris: [] })),
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
});
const other = new OAuth2Server({ model: {
  getClient: async (id, secret) => clients.find((client) => client.id === id && client.secret === secret) && { id, grants: ["client_credentials"] },
  getUserFromClient: async () => ({ id: 1 }),
  saveToken: async (token, client, user) => ({ ...token, client, user }),
} });
const handlers = { "oidc-provider": provider.callback(), "oauth2-server": (request, response) => {
  let text = "";
  request.on("data", (chunk) => (text += chunk)).on("end", async () => {
    const body = Object.fromEntries(new URLSearchParams(text));
    const answer = new OAuth2Server.Response();
    await other.token(new OAuth2Server.Request({ headers: request.headers, method: request.method, query: {}, body }), answer).catch(() => {});
    response.writeHead(answer.status, { "Content-Type": "application/json" }).end(JSON.stringify(answer.body));
  });
} };
const urls = [];
for (const handler of Object.values(handlers)) {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  urls.push(`http://127.0.0.1:${server.address().port}/token`);
}
console.log(urls.join(" "));
JS
cat >ask.mjs <<'JS'
import { OAuth2Client } from "@badgateway/oauth2-client";
import * as oauth4webapi from "oauth4webapi";
import { ClientCredentials } from "simple-oauth2";
const [, , url, id, secret] = process.argv;
const { origin } = new URL(url);
const ways = {
  oauth4webapi: async () => {
    const server = { issuer: origin, token_endpoint: url };
    const options = { [oauth4webapi.allowInsecureRequests]: true };
    const answer = await oauth4webapi.clientCredentialsGrantRequest(server, { client_id: id }, oauth4webapi.ClientSecretBasic(secret), {}, options);
    if (!answer.ok) throw new Error(answer.status);
  },
  "simple-oauth2": () => new ClientCredentials({ client: { id, secret }, auth: { tokenHost: origin, tokenPath: "/token" } }).getToken({}),
  badgateway: () => new OAuth2Client({ server: origin, tokenEndpoint: "/token", clientId: id, clientSecret: secret, authenticationMethod: "client_secret_basic" }).clientCredentials(),
};
for (const [name, way] of Object.entries(ways)) console.log(name, await Promise.resolve().then(way).then(() => "accepted", () => "refused"));
JS
cat >ask.py <<'PY'
import os, sys
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session as Other
url, id, secret = sys.argv[1:]
for name, way in ("authlib", lambda: OAuth2Session(id, secret).fetch_token(url, grant_type="client_credentials")), (
    "requests-oauthlib", lambda: Other(client=BackendApplicationClient(id)).fetch_token(url, client_id=id, client_secret=secret)):
    try:
        print(name, "accepted" if way().get("access_token") else "refused")
    except Exception:
        print(name, "refused")
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

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	config := clientcredentials.Config{TokenURL: os.Args[1], ClientID: os.Args[2], ClientSecret: os.Args[3], AuthStyle: oauth2.AuthStyleInHeader}
	if _, err := config.Token(context.Background()); err != nil {
		fmt.Println("x/oauth2 refused")
		return
	}
	fmt.Println("x/oauth2 accepted")
}
GO
go mod tidy >/dev/null 2>&1
go build -o ask .
secrets=(7Hs9kQ2m 'q+Zb/8w==')
coproc node --no-warnings servers.mjs "${secrets[@]}" 2>log
server=$COPROC_PID
while read -r -a urls <&"${COPROC[0]}" && [[ ${urls[0]} != http* ]]; do :; done
out=$(for at in 0 1; do for url in 0 1; do
  echo "${secrets[at]}, $([ $url = 0 ] && echo oidc-provider || echo oauth2-server):"
  { timeout 60 node ask.mjs "${urls[url]}" "app$at" "${secrets[at]}"
    PYTHONPATH=$dir/root/usr/lib/python3/dist-packages timeout 60 /usr/bin/python3 -W ignore ask.py "${urls[url]}" "app$at" "${secrets[at]}"
    timeout 60 ./ask "${urls[url]}" "app$at" "${secrets[at]}"; } | sort -s -k 2,2 | awk '{ if ($2 != last) printf "%s  %s:", (NR > 1 ? "\n" : ""), $2; printf " %s", $1; last = $2 } END { print "" }'
done; done)
echo "$out"
want='7Hs9kQ2m, oidc-provider:
  accepted: oauth4webapi simple-oauth2 badgateway authlib requests-oauthlib x/oauth2
7Hs9kQ2m, oauth2-server:
  accepted: oauth4webapi simple-oauth2 badgateway authlib requests-oauthlib x/oauth2
q+Zb/8w==, oidc-provider:
  accepted: oauth4webapi simple-oauth2 badgateway x/oauth2
  refused: authlib requests-oauthlib
q+Zb/8w==, oauth2-server:
  accepted: authlib requests-oauthlib
  refused: oauth4webapi simple-oauth2 badgateway x/oauth2'
[ "$out" = "$want" ]
echo "as stated"
