// @vitest-environment happy-dom

import assert from "node:assert/strict";
import { act } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, test, vi } from "vitest";
import type { User } from "./api.ts";
import { Profile } from "./profile.tsx";

const ada = { id: 1, username: "ada", email: "", first_name: "Ada", last_name: "", language: "de", groups: [], permissions: [] } as unknown as User;
const languages = ["en", "de"];

let sent: unknown[];
let root: ReturnType<typeof createRoot>;

beforeEach(() => {
  sent = [];
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method === "PATCH") sent.push(await request.json());
    return Response.json(request.url.endsWith("/methods") ? { languages, providers: [] } : ada);
  });
  vi.spyOn(location, "reload").mockImplementation(() => undefined);
  document.cookie = "cloakroom_language=en; Path=/";
});

afterEach(async () => {
  await act(async () => root.unmount());
  document.body.replaceChildren();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** The form of a user, once it knows which languages there are. */
async function formOf(user: User): Promise<HTMLElement> {
  const page = document.createElement("div");
  document.body.append(page);
  root = createRoot(page);
  await act(async () => root.render(<Profile user={user} />));
  await vi.waitFor(() => assert.ok(page.querySelector("select")));
  return page;
}

async function save(page: HTMLElement): Promise<void> {
  await act(async () => page.querySelector<HTMLButtonElement>("button[type=submit]")!.click());
  await act(async () => vi.waitFor(() => assert.equal(sent.length, 1)));
  await act(async () => vi.waitFor(() => assert.equal(page.querySelector("form")!.getAttribute("aria-busy") === "false" || vi.mocked(location.reload).mock.calls.length > 0, true)));
}

async function choose(page: HTMLElement, language: string): Promise<void> {
  const select = page.querySelector("select")!;
  await act(async () => {
    select.value = language;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

test("a change of the name leaves the language of the account and of the browser alone", async () => {
  const page = await formOf(ada);
  page.querySelector<HTMLInputElement>('[name="first_name"]')!.value = "Augusta";
  await save(page);
  assert.deepEqual(sent, [{ first_name: "Augusta" }]);
  assert.match(document.cookie, /cloakroom_language=en/);
  assert.equal(vi.mocked(location.reload).mock.calls.length, 0);
});

test("a language that is chosen for the account takes the place of the browser's", async () => {
  const page = await formOf(ada);
  await choose(page, "");
  await save(page);
  assert.deepEqual(sent, [{ language: "" }]);
  assert.doesNotMatch(document.cookie, /cloakroom_language/);
  assert.equal(vi.mocked(location.reload).mock.calls.length, 1);
});

test("the language that the page is in needs no new page", async () => {
  const page = await formOf(ada);
  await choose(page, "en");
  await save(page);
  assert.deepEqual(sent, [{ language: "en" }]);
  assert.doesNotMatch(document.cookie, /cloakroom_language/);
  assert.equal(vi.mocked(location.reload).mock.calls.length, 0);
});

test("a language that is no longer offered is shown, and not sent", async () => {
  const page = await formOf({ ...ada, language: "fr" });
  assert.equal(page.querySelector("select")!.value, "fr");
  page.querySelector<HTMLInputElement>('[name="last_name"]')!.value = "Lovelace";
  await save(page);
  assert.deepEqual(sent, [{ last_name: "Lovelace" }]);
});
