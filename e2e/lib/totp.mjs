// An authenticator app (RFC 6238), and a reader of QR codes.

import { createHmac } from "node:crypto";
import jsQR from "jsqr";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const period = 30; // seconds

/** The app on a phone, with the secret that was typed or scanned. */
export function authenticator(secret) {
  const bits = [...secret.replaceAll(" ", "")].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  let last = 0;

  function codeAt(step) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const hash = createHmac("sha1", key).update(counter).digest();
    const at = hash[19] & 15;
    return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  }

  return {
    /**
     * A code that hasn't been used. The server accepts those of the step before and after, and each step once. It is never that of the
     * step before, which would be too old on a slow machine.
     */
    async code() {
      const now = () => Math.floor(Date.now() / 1000 / period);
      const step = Math.max(last + 1, now());
      while (step > now() + 1) await new Promise((resolve) => setTimeout(resolve, 500));
      last = step;
      return codeAt(step);
    },
    /** A code that is never accepted: one of an hour ago. */
    staleCode: () => codeAt(Math.floor(Date.now() / 1000 / period) - 120),
  };
}

/** Reads the QR code that an element shows. */
export async function readQR(page, element) {
  const picture = (await element.screenshot()).toString("base64");
  const { data, width, height } = await page.evaluate(async (picture) => {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const context = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height }).getContext("2d");
    context.drawImage(image, 0, 0);
    return { data: [...context.getImageData(0, 0, image.width, image.height).data], width: image.width, height: image.height };
  }, picture);
  return jsQR(Uint8ClampedArray.from(data), width, height)?.data;
}

/** Sets up an authenticator app through the API. `send` sends a request of a signed-in device, and returns the JSON of the answer. */
export async function addApp(send) {
  const { id, secret } = await send("POST", "/api/auth/factors/totp", {});
  const app = authenticator(secret);
  const { recovery_codes } = await send("POST", "/api/auth/factors/totp/confirm", { id, code: await app.code() });
  return { app, codes: recovery_codes };
}
