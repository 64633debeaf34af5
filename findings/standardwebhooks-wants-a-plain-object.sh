#!/usr/bin/env bash
# npm standardwebhooks, verify() in a handler that has a Request of the Fetch standard, and for bodies that aren't JSON.
#
# A guess: verify(body, request.headers) works in Hono, Next.js, Deno and workers, as the signature's three headers are there; and verify()
# judges the signature, whatever the body is.
# Behaviour: the headers are read as properties of a plain object, so a Headers object is "Missing required headers" for each message,
# until it is turned into one by Object.fromEntries. Node's array for a repeated header is a TypeError. After a good signature the
# body is parsed as JSON, so an empty or a plain text body, rightly signed, is a SyntaxError: a handler that answers 400 to any error of verify()
# makes its sender try for days.
#
# Seen with standardwebhooks 1.0.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund standardwebhooks@1.0.0
cat >verify.mjs <<'JS'
import { Webhook } from "standardwebhooks";
const webhook = new Webhook(`whsec_${Buffer.alloc(32, 7).toString("base64")}`);
const now = new Date(Math.floor(Date.now() / 1000) * 1000);
const signed = (body) => ({ "webhook-id": "msg_1", "webhook-timestamp": `${now / 1000}`, "webhook-signature": webhook.sign("msg_1", now, body) });
const tell = (what, body, headers) => {
  let end;
  try {
    end = `accepted ${JSON.stringify(webhook.verify(body, headers))}`;
  } catch (error) {
    end = `${error.constructor.name}${error.name === "Error" || error.message.startsWith("Missing") ? ": " + error.message : ""}`;
  }
  console.log(`${what}: ${end}`);
};
const body = '{"a":1}';
tell("a plain object", body, signed(body));
tell("a Headers object", body, new Headers(signed(body)));
tell("its entries", body, Object.fromEntries(new Headers(signed(body))));
tell("a header as array", body, { ...signed(body), "webhook-signature": [signed(body)["webhook-signature"]] });
tell("an empty body", "", signed(""));
tell("a text", "hello", signed("hello"));
JS
out=$(node verify.mjs)
echo "$out"
want='a plain object: accepted {"a":1}
a Headers object: WebhookVerificationError: Missing required headers
its entries: accepted {"a":1}
a header as array: TypeError
an empty body: SyntaxError
a text: SyntaxError'
[ "$out" = "$want" ]
echo "as stated"
