#!/usr/bin/env bash
# OAuth clients for Node and Python, and a person who starts a sign-in at a provider in two tabs and then ends both, the second first.
#
# A guess: state is there to tell attempts apart, so each tab's callback finds its own, and both sign in.
# Behaviour: passport-oauth2, grant and @fastify/oauth2 have one place for the state in the session or cookie. The second tab's start
# overwrites the first's, whose callback is refused: with 403, with "state mismatch" at the app's own address, or with 500. Authlib keeps each
# state, and social-auth-core gives both tabs the same one; with these two both tabs get as far as the exchange of the code. "The sign-in
# failed" in a log need not be an attack, and a page should let the person try again.
#
# Seen with passport 0.7.0 and passport-oauth2 1.8.0, grant 5.4.24 and @fastify/oauth2 8.3.0 on Node 20; Authlib 1.2.0 with Flask 2.2.2, and
# social-auth-core 4.3.0, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-flask python3-werkzeug python3-jinja2 python3-itsdangerous python3-click python3-markupsafe python3-authlib=1.2.0-1+deb12u2 \
  python3-cryptography python3-cffi-backend python3-requests python3-urllib3 python3-idna python3-chardet python3-certifi python3-six \
  python3-social-auth-core=4.3.0-1 python3-jose python3-oauthlib python3-requests-oauthlib python3-jwt python3-defusedxml python3-openid >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund express@5.3.0 express-session@1.18.2 passport@0.7.0 passport-oauth2@1.8.0 grant@5.4.24 fastify@5.12.8 \
  @fastify/cookie@11.1.5 @fastify/oauth2@8.3.0
cat >tabs.mjs <<'JS'
import { createServer } from "node:http";
import cookies from "@fastify/cookie";
import oauth from "@fastify/oauth2";
import express from "express";
import session from "express-session";
import Fastify from "fastify";
import grant from "grant";
import passport from "passport";
import OAuth2Strategy from "passport-oauth2";
const listen = async (handler) => {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return server;
};
const address = (server) => `http://127.0.0.1:${server.address().port}`;
const provider = await listen((request, response) => response.setHeader("Content-Type", "application/json").end('{"access_token":"t","token_type":"bearer"}'));
const tabs = async (name, server, start, callback) => {
  const jar = {};
  const open = async (path) => {
    const cookie = Object.entries(jar).map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(address(server) + path, { redirect: "manual", headers: { Cookie: cookie, Connection: "close" } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0|1970/i.test(line)) delete jar[name];
      else jar[name] = value;
    }
    const location = answer.headers.get("location");
    return { location, result: `${answer.status}${location ? ` with ${[...new URL(location, address(server)).searchParams.keys()][0]}` : ""}` };
  };
  const [first, second] = [await open(start), await open(start)].map(({ location }) => new URL(location).searchParams.get("state"));
  const end = async (state) => (await open(`${callback}?code=c&state=${encodeURIComponent(state)}`)).result;
  console.log(`${name}: states ${first === second ? "the same" : "differ"}, second tab ${await end(second)}, first tab ${await end(first)}`);
  server.close();
};
const remember = () => session({ secret: "x".repeat(32), resave: false, saveUninitialized: false });

const withPassport = express().use(remember());
passport.use(new OAuth2Strategy(
  { authorizationURL: `${address(provider)}/authorize`, tokenURL: `${address(provider)}/token`, clientID: "c", clientSecret: "s", callbackURL: "/callback", state: true },
  (access, refresh, profile, done) => done(null, { id: 1 }),
));
withPassport.get("/start", passport.authenticate("oauth2", { session: false }));
withPassport.get("/callback", passport.authenticate("oauth2", { session: false }), (request, response) => response.send("signed in"));
await tabs("passport-oauth2", await listen(withPassport), "/start", "/callback");

const client = { authorize_url: `${address(provider)}/authorize`, access_url: `${address(provider)}/token`, oauth: 2, key: "c", secret: "s", callback: "/done" };
const withGrant = express().use(remember()).use(grant.express()({ defaults: { origin: "http://localhost", transport: "querystring", state: true }, test: client }));
await tabs("grant", await listen(withGrant), "/connect/test", "/connect/test/callback");

const withFastify = Fastify();
await withFastify.register(cookies);
await withFastify.register(oauth, {
  name: "test", startRedirectPath: "/start", callbackUri: "http://localhost/callback", cookie: { secure: false },
  credentials: { client: { id: "c", secret: "s" }, auth: { authorizeHost: address(provider), authorizePath: "/authorize", tokenHost: address(provider), tokenPath: "/token" } },
});
withFastify.get("/callback", async function (request) {
  await this.test.getAccessTokenFromAuthorizationCodeFlow(request);
  return "signed in";
});
await withFastify.listen({ port: 0, host: "127.0.0.1" });
await tabs("@fastify/oauth2", withFastify.server, "/start", "/callback");
provider.close();
JS
cat >tabs.py <<'PY'
import secrets
from urllib.parse import parse_qs, urlparse
from authlib.integrations.flask_client import OAuth
from flask import Flask, session
from requests.exceptions import ConnectionError
from social_core.backends.github import GithubOAuth2
from social_core.strategy import BaseStrategy
def state(url): return parse_qs(urlparse(url).query)["state"][0]
def tell(name, first, second, ends):
    print("%s: states %s, second tab %s, first tab %s" % (name, "the same" if first == second else "differ", *ends))

app = Flask("app")
app.secret_key = "x" * 32
oauth = OAuth(app)
# Nothing listens at this port: a callback that gets there has found its state.
oauth.register("test", client_id="c", client_secret="s", authorize_url="http://provider.test/authorize", access_token_url="http://127.0.0.1:1/token")
with app.test_request_context("/start"):
    first, second = (state(oauth.test.authorize_redirect("http://app.test/callback").headers["Location"]) for _ in range(2))
    kept = dict(session)
ends = []
for one in (second, first):
    with app.test_request_context("/callback?code=c&state=" + one):
        session.update(kept)
        try: oauth.test.authorize_access_token()
        except ConnectionError: ends.append("asks for tokens")
        except Exception as error: ends.append(type(error).__name__)
        kept = dict(session)
tell("Authlib", first, second, ends)

class Memory(BaseStrategy):
    kept, asked = {}, {}
    def get_setting(self, name): return {"SOCIAL_AUTH_GITHUB_KEY": "c", "SOCIAL_AUTH_GITHUB_SECRET": "s"}[name]
    def session_get(self, name, default=None): return self.kept.get(name, default)
    def session_set(self, name, value): self.kept[name] = value
    def session_pop(self, name): return self.kept.pop(name, None)
    def request_data(self, merge=True): return self.asked
    def build_absolute_uri(self, path=None): return "http://app.test" + (path or "/")
memory = Memory(storage=None)
first, second = (state(GithubOAuth2(memory, redirect_uri="http://app.test/callback").auth_url()) for _ in range(2))
ends = []
for one in (second, first):
    memory.asked = {"code": "c", "state": one}
    try:
        GithubOAuth2(memory, redirect_uri="http://app.test/callback").validate_state()
        ends.append("asks for tokens")
    except Exception as error: ends.append(type(error).__name__)
tell("social-auth-core", first, second, ends)
PY
{
  node tabs.mjs 2>/dev/null
  PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore tabs.py
} | tee out
want='passport-oauth2: states differ, second tab 200, first tab 403
grant: states differ, second tab 302 with access_token, first tab 302 with error
@fastify/oauth2: states differ, second tab 200, first tab 500
Authlib: states differ, second tab asks for tokens, first tab asks for tokens
social-auth-core: states the same, second tab asks for tokens, first tab asks for tokens'
[ "$(cat out)" = "$want" ]
echo "as stated"
