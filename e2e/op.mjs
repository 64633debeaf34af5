// Runs the provider of lib/op.mjs for tests in other languages, until its standard input ends. Both ways, a message is a line of JSON.
//
// It prints {issuer} once it listens. It reads {clients}, the list of `serve`, or {life}, for how many seconds access tokens are good that
// are given from then on, and prints {done: true} after each. Meanwhile it prints what happens: {answered, status} for each request,
// {given, tokens} and {refused, code} by the type of a grant, and {told, error} once a client was told of a logout.

import { createInterface } from "node:readline";
import { startOP } from "./lib/op.mjs";

console.info = console.log = console.error; // the provider's own words are no messages
const print = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const ends = [];
const op = await startOP({ after: (end) => ends.push(end) }, (answered, status) => print({ answered, status }));
let life = 3600;
const long = 24 * 3600;

function serve(clients) {
  const provider = op.serve(clients, {
    rotateRefreshToken: true,
    ttl: { AccessToken: () => life, Grant: long, IdToken: long, Interaction: long, RefreshToken: long, Session: long },
  });
  const kind = (ctx) => ctx.oidc.params?.grant_type;
  provider.on("grant.success", (ctx) => {
    const { access_token, id_token, refresh_token } = ctx.body;
    print({ given: kind(ctx), tokens: [access_token, id_token, refresh_token].filter(Boolean) });
  });
  provider.on("grant.error", (ctx, error) => print({ refused: kind(ctx), code: error.error }));
  provider.on("backchannel.success", (_, client) => print({ told: client.clientId }));
  provider.on("backchannel.error", (_, error, client) => print({ told: client.clientId, error: error.message }));
}

print({ issuer: op.issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.clients) serve(message.clients);
  if (message.life) ({ life } = message);
  print({ done: true });
}
for (const end of ends) await end();
