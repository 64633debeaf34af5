#!/usr/bin/env bash
# Libraries that check "Authorization: Bearer …", and a client that writes the scheme as the token endpoint does in its answer, "token_type": "bearer":
# axios.get(url, { headers: { Authorization: `${token.token_type} ${token.access_token}` } }).
#
# A guess: the name of a scheme has no case (RFC 9110, section 11.1), so all take "bearer"; libraries for many schemes at once surely do.
# Behaviour: of twenty, seven don't know it: simplejwt, flask-jwt-extended and flask-jwt-simple (with 422), express-bearer-token, @fastify/bearer-auth, Go's
# gin-jwt and fiber's keyauth. Their neighbours do: DRF's TokenAuthentication, @fastify/jwt, echo-jwt. FastAPI's guide answers "bearer", so a page that was
# written for it and joins the two is signed out at such a service, with the answer of a bad or a missing token. A client writes "Bearer" by itself.
#
# Seen with express-jwt 8.5.1, express-oauth2-jwt-bearer 1.10.0, express-bearer-token 3.0.0, passport-http-bearer 1.0.1, koa-jwt 4.0.4, @fastify/jwt 10.2.8,
# @fastify/bearer-auth 10.1.3 and hono 4.13.19 on Node 20; gin-jwt 2.10.3, jwtauth 5.3.3, echo-jwt 4.4.0 and fiber 2.52.15 on Go 1.26; simplejwt 5.2.2, DRF
# 3.14.0, flask-jwt-extended 4.4.4, flask-jwt-simple 0.0.3, Flask-HTTPAuth 4.5.0, FastAPI 0.92.0 and Authlib 1.2.0 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund express@5.3.0 passport@0.7.0 passport-http-bearer@1.0.1 express-jwt@8.5.1 express-oauth2-jwt-bearer@1.10.0 \
  express-bearer-token@3.0.0 koa@3.1.1 koa-jwt@4.0.4 fastify@5.12.8 @fastify/jwt@10.2.8 @fastify/bearer-auth@10.1.3 hono@4.13.19 jsonwebtoken@9.0.3
apt-get download -q -o APT::Sandbox::User= python3-djangorestframework python3-djangorestframework-simplejwt python3-jwt python3-django python3-tz python3-sqlparse \
  python3-asgiref python3-python-flask-jwt-extended python3-flask-jwt-simple python3-flask python3-flask-httpauth python3-werkzeug python3-itsdangerous \
  python3-jinja2 python3-markupsafe python3-click python3-colorama python3-fastapi python3-starlette python3-pydantic python3-typing-extensions python3-authlib \
  python3-cryptography python3-cffi-backend python3-httpx python3-httpcore python3-h11 python3-anyio python3-sniffio python3-rfc3986 python3-idna \
  python3-certifi >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >node.mjs <<'JS'
import { createServer } from "node:http";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const express = require("express"), Koa = require("koa"), fastify = require("fastify"), passport = require("passport"), { Hono } = require("hono");
const secret = "k".repeat(32);
const token = require("jsonwebtoken").sign({ sub: "ada", iss: "https://issuer.example/", aud: "app" }, secret, { expiresIn: "1h" });
const handlers = {};
function withExpress(...guards) {
  const app = express();
  app.get("/", ...guards, (request, response) => response.send("in"));
  app.use((error, request, response, next) => response.status(error.status ?? 500).end());
  return app;
}
const { Strategy } = require("passport-http-bearer");
passport.use(new Strategy((given, done) => done(null, given === token && { id: 1 })));
handlers["passport-http-bearer"] = withExpress(passport.authenticate("bearer", { session: false }));
handlers["express-jwt"] = withExpress(require("express-jwt").expressjwt({ secret, algorithms: ["HS256"] }));
handlers["express-oauth2-jwt-bearer"] = withExpress(require("express-oauth2-jwt-bearer").auth({ secret, tokenSigningAlg: "HS256", issuer: "https://issuer.example/", audience: "app" }));
handlers["express-bearer-token"] = withExpress(require("express-bearer-token")(), (request, response, next) => (request.token === token ? next() : response.status(401).end()));
handlers["koa-jwt"] = new Koa().use(require("koa-jwt")({ secret })).use((context) => { context.body = "in"; }).callback();
const one = fastify();
await one.register(require("@fastify/jwt"), { secret });
one.get("/", async (request) => { await request.jwtVerify(); return "in"; });
const two = fastify();
await two.register(require("@fastify/bearer-auth"), { keys: new Set([token]) });
two.get("/", async () => "in");
for (const [name, app] of [["@fastify/jwt", one], ["@fastify/bearer-auth", two]]) { await app.ready(); handlers[name] = (request, response) => app.routing(request, response); }
const hono = { "hono bearerAuth": require("hono/bearer-auth").bearerAuth({ token }), "hono jwt": require("hono/jwt").jwt({ secret, alg: "HS256" }) };
async function tell(name, ask) { console.log(`${name}: ${await ask(`Bearer ${token}`)} ${await ask(`bearer ${token}`)}`); }
for (const [name, handler] of Object.entries(handlers)) {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  await tell(name, async (authorization) => (await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { authorization } })).status);
  server.closeAllConnections();
  server.close();
}
for (const [name, guard] of Object.entries(hono)) {
  const app = new Hono();
  app.use("*", guard);
  app.get("/", (context) => context.text("in"));
  await tell(name, async (authorization) => (await app.request("/", { headers: { authorization } })).status);
}
JS
cat >python.py <<'PY'
import asyncio
import django
from django.conf import settings
settings.configure(SECRET_KEY="k" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, MIDDLEWARE=[],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework.authtoken"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import path
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken
call_command("migrate", verbosity=0)
def tell(name, ask, token): print(f"{name}: {ask('Bearer ' + token)} {ask('bearer ' + token)}")
class Bearer(TokenAuthentication): keyword = "Bearer"
class One(APIView):
    authentication_classes, permission_classes = [Bearer], [IsAuthenticated]
    def get(self, request): return Response("in")
class Two(One): authentication_classes = [JWTAuthentication]
urlpatterns = [path("one", One.as_view()), path("two", Two.as_view())]
ada = User.objects.create_user("ada")
tell("DRF", lambda value: Client().get("/one", HTTP_AUTHORIZATION=value).status_code, Token.objects.create(user=ada).key)
tell("simplejwt", lambda value: Client().get("/two", HTTP_AUTHORIZATION=value).status_code, str(AccessToken.for_user(ada)))

import flask, flask_httpauth, flask_jwt_extended, flask_jwt_simple
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator
class Good:
    def is_expired(self): return False
    def is_revoked(self): return False
    def get_scope(self): return ""
class Validator(BearerTokenValidator):
    def authenticate_token(self, given): return Good() if given == "t" else None
    def request_invalid(self, request): return False
    def token_revoked(self, token): return False
def with_flask(name, guard, token=lambda: "t"):
    app = flask.Flask("finding")
    app.config["JWT_SECRET_KEY"] = "k" * 32
    app.route("/")(guard(app)(lambda: "in"))
    with app.app_context(): made = token()
    tell(name, lambda value: app.test_client().get("/", headers={"Authorization": value}).status_code, made)
def extended(app): flask_jwt_extended.JWTManager(app); return flask_jwt_extended.jwt_required()
def simple(app): flask_jwt_simple.JWTManager(app); return flask_jwt_simple.jwt_required
def httpauth(app):
    guard = flask_httpauth.HTTPTokenAuth()
    guard.verify_token(lambda given: "ada" if given == "t" else None)
    return guard.login_required
def authlib(app):
    guard = ResourceProtector()
    guard.register_token_validator(Validator())
    return guard()
with_flask("flask-jwt-extended", extended, lambda: flask_jwt_extended.create_access_token("ada"))
with_flask("flask-jwt-simple", simple, lambda: flask_jwt_simple.create_jwt("ada"))
with_flask("flask-httpauth", httpauth)
with_flask("authlib", authlib)

import httpx
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer
api = FastAPI()
@api.get("/")
def page(token=Depends(OAuth2PasswordBearer("token"))): return token
async def ask(value):
    async with httpx.AsyncClient(app=api, base_url="http://api.example") as client:
        return (await client.get("/", headers={"Authorization": value})).status_code
tell("fastapi", lambda value: asyncio.run(ask(value)), "t")
PY
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/appleboy/gin-jwt/v2 v2.10.3
	github.com/gin-gonic/gin v1.12.0
	github.com/go-chi/jwtauth/v5 v5.3.3
	github.com/gofiber/fiber/v2 v2.52.15
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/labstack/echo-jwt/v4 v4.4.0
	github.com/labstack/echo/v4 v4.16.5
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/jwtauth/v5"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/keyauth"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	secret := []byte(strings.Repeat("k", 32))
	claims := jwt.MapClaims{"sub": "ada", "identity": "ada", "exp": time.Now().Add(time.Hour).Unix()}
	token := must(jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret))
	tell := func(name string, ask func(*http.Request) int) {
		line := name + ":"
		for _, scheme := range []string{"Bearer", "bearer"} {
			request := httptest.NewRequest("GET", "/", nil)
			request.Header.Set("Authorization", scheme+" "+token)
			line += fmt.Sprint(" ", ask(request))
		}
		fmt.Println(line)
	}
	over := func(handler http.Handler) func(*http.Request) int {
		return func(request *http.Request) int {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			return answer.Code
		}
	}
	keys := jwtauth.New("HS256", secret, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("in")) })
	tell("jwtauth", over(jwtauth.Verifier(keys)(jwtauth.Authenticator(keys)(page))))
	e := echo.New()
	e.Use(echojwt.JWT(secret))
	e.GET("/", func(c echo.Context) error { return c.String(200, "in") })
	tell("echo-jwt", over(e))
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(must(ginjwt.New(&ginjwt.GinJWTMiddleware{Key: secret, Timeout: time.Hour})).MiddlewareFunc())
	g.GET("/", func(c *gin.Context) { c.String(200, "in") })
	tell("gin-jwt", over(g))
	f := fiber.New()
	f.Use(keyauth.New(keyauth.Config{Validator: func(c *fiber.Ctx, given string) (bool, error) { return given == token, nil }}))
	f.Get("/", func(c *fiber.Ctx) error { return c.SendString("in") })
	tell("fiber keyauth", func(request *http.Request) int { return must(f.Test(request, -1)).StatusCode })
}
GO
go mod tidy >/dev/null 2>&1
out=$(node node.mjs && PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore python.py && go run .)
echo "$out"
want='passport-http-bearer: 200 200
express-jwt: 200 200
express-oauth2-jwt-bearer: 200 200
express-bearer-token: 200 401
koa-jwt: 200 200
@fastify/jwt: 200 200
@fastify/bearer-auth: 200 401
hono bearerAuth: 200 200
hono jwt: 200 200
DRF: 200 200
simplejwt: 200 401
flask-jwt-extended: 200 401
flask-jwt-simple: 200 422
flask-httpauth: 200 200
authlib: 200 200
fastapi: 200 200
jwtauth: 200 200
echo-jwt: 200 200
gin-jwt: 200 401
fiber keyauth: 200 401'
[ "$out" = "$want" ]
echo "as stated"
