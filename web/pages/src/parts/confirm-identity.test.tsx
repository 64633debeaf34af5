// @vitest-environment happy-dom

import assert from "node:assert/strict";
import { act } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, test, vi } from "vitest";
import { auth, type AuthError } from "../api.ts";
import { ConfirmIdentity } from "./confirm-identity.tsx";

let page: HTMLElement;
let root: Root;

beforeEach(async () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("fetch", async () => Response.json({ code: "fresh_sign_in_required", factors: ["password"] }, { status: 403 }));
  page = document.createElement("div");
  document.body.append(page);
});

afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function show(username: string): Promise<void> {
  root = createRoot(page);
  await act(async () => root.render(<ConfirmIdentity username={username} />));
}

/** Sends a request that needs a fresh sign-in, and returns the code of its refusal. */
function refusal(): Promise<string> {
  return auth.client.call("GET", "/api/auth/tokens").then(() => "", (error: AuthError) => error.code);
}

test("a request is refused if the page goes away while its dialog is open, and a later one gets a dialog of its own", async () => {
  for (const user of ["ada", "bob"]) {
    await show(user);
    const refused = refusal();
    await vi.waitFor(async () => {
      await act(async () => undefined); // renders what has arrived
      assert.ok(page.querySelector("dialog")?.textContent.includes(user));
    });
    await act(async () => root.unmount());
    assert.equal(await refused, "fresh_sign_in_required");
  }
});
