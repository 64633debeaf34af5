// Another provider: the certified oidc-provider, on a free port of 127.0.0.1. Anyone signs in there with any name and any password.

import { generateKeyPair } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import Provider from "oidc-provider";

const secret = "a secret of the client, which is long enough";

/**
 * Starts a provider, which is stopped when the test or suite `t` ends. It knows no clients before `connect`. `answered` is called with each
 * request that it has answered, such as "POST /token", and the status.
 */
export async function startOP(t, answered = () => {}) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "cloakroom-op-"));
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  let handle = (_, response) => response.writeHead(404).end();
  const asked = [];
  const tokens = [];
  const listener = http.createServer((request, response) => {
    const what = `${request.method} ${request.url.split("?")[0]}`;
    asked.push(what);
    response.on("finish", () => answered(what, response.statusCode));
    handle(request, response);
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    listener.closeAllConnections();
    await new Promise((resolve) => listener.close(resolve));
    await rm(folder, { recursive: true, force: true });
  });
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  return {
    issuer,

    /** What it was asked, such as "POST /token". */
    asked,

    /** The tokens that it has made out. */
    tokens,

    /** Writes the settings of the provider for `--provider NAME=FILE`, and returns the file. */
    async settings(name, more = {}) {
      const file = path.join(folder, `${name}.json`);
      await writeFile(file, JSON.stringify({ issuer, client_id: name, client_secret: secret, ...more }));
      return file;
    },

    /** Registers the client NAME, the Cloakroom at `url`. `more` are settings of the client, and `config` of the provider. */
    connect(url, name, more = {}, config = {}) {
      return this.serve([{ url, name, more }], config);
    },

    /** Registers clients as `connect` does. A Cloakroom may know the provider by another name than that of the client: `provider`. */
    serve(clients, config = {}) {
      const provider = new Provider(issuer, {
        clients: clients.map(({ url, name, provider = name, more = {} }) => ({
          client_id: name,
          client_secret: secret,
          redirect_uris: [`${url}/api/auth/oidc/${provider}/callback`],
          grant_types: ["authorization_code", "refresh_token"],
          backchannel_logout_uri: `${url}/api/auth/oidc/${provider}/backchannel-logout`,
          backchannel_logout_session_required: true,
          ...more,
        })),
        jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig", kid: "key" }] },
        // Cookies don't know ports, so two providers need names of their own.
        cookies: { keys: ["a key for cookies"], names: cookieNames(new URL(issuer).port) },
        claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
        conformIdTokenClaims: false,
        findAccount: (_, sub) => ({
          accountId: sub,
          claims: () => ({ sub, name: "Grace Hopper", preferred_username: sub, email: `${sub}@example.com`, email_verified: true }),
        }),
        features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true } },
        // Its own fetch refuses to talk to this machine, and waits for 2.5 seconds, which a busy machine may need.
        fetch: (address, options) => {
          delete options.dispatcher;
          delete options.signal;
          return fetch(address, options);
        },
        ...config,
      });
      provider.on("grant.success", ({ body }) => tokens.push(...[body.access_token, body.id_token, body.refresh_token].filter(Boolean)));
      handle = provider.callback();
      return provider;
    },
  };
}

function cookieNames(port) {
  return Object.fromEntries(["session", "interaction", "resume"].map((name) => [name, `${name}_${port}`]));
}

/** Signs in on the provider's page, and permits what is asked for, unless the provider knows that it may. */
export async function signInThere(page, name, { permitted = false } = {}) {
  await page.getByPlaceholder("Enter any login").fill(name);
  await page.getByPlaceholder("and password").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  if (!permitted) await page.getByRole("button", { name: "Continue" }).click();
}

/** Signs out on the provider's page, which tells its clients before it answers. */
export async function signOutThere(page, op) {
  await page.goto(`${op.issuer}/session/end`);
  await page.getByRole("button", { name: "Yes" }).click();
  await page.getByText("Sign-out Success").first().waitFor();
}
