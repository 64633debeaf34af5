import { beforeEach, expect, test, vi } from "vitest";
import { ada, asked, demandCode, json, pass, problem, server, tab, url } from "./world.js";

const there = "https://accounts.example.com/authorize?state=1";
const start = "POST /api/auth/oidc/example/start";
let went: unknown[];

beforeEach(() => {
  went = [];
  vi.spyOn(location, "assign").mockImplementation((to) => void went.push(to));
  server.answers.set(start, () => json({ location: there }));
});

async function sent(): Promise<unknown> {
  const request = server.requests.find((it) => it.url === url + "/api/auth/oidc/example/start");
  return request?.json();
}

test("a user goes to a provider, and comes back to this page", async () => {
  const { auth } = tab();
  await pass();
  await auth.startProvider("example");
  expect(went).toEqual([there]);
  expect(await sent()).toEqual({ next: "http://127.0.0.1:3000/" });
});

test("a page of this origin is named by its URL, one of the server's by its path", async () => {
  const { auth } = tab();
  await pass();
  await auth.startProvider("example", { next: "/notes?a=b#c", remember: false });
  expect(await sent()).toEqual({ next: "http://127.0.0.1:3000/notes?a=b#c", remember: false });
  server.requests = [];
  await auth.startProvider("example", { next: url + "/auth/account#x", intent: "link" });
  expect(await sent()).toEqual({ next: "/auth/account#x", intent: "link" });
});

test("a visit that is begun again doesn't come back to the end of the one before", async () => {
  const { auth } = tab();
  await pass();
  for (const end of ["#error=no_account", "#pending"]) {
    server.requests = [];
    await auth.startProvider("example", { next: "/notes" + end });
    expect(await sent()).toEqual({ next: "http://127.0.0.1:3000/notes" });
  }
});

test("a provider that is away leaves the page where it is", async () => {
  server.answers.set(start, () => problem(502, "provider_unavailable"));
  const { auth } = tab();
  await pass();
  await expect(auth.startProvider("example")).rejects.toMatchObject({ code: "provider_unavailable" });
  expect(went).toEqual([]);
  await auth.refresh();
  expect(asked("GET /api/auth/login/pending")).toBe(0);
});

test("back from the provider the second step appears by itself", async () => {
  demandCode();
  const away = tab();
  await pass();
  await away.auth.startProvider("example");
  await away.auth.client.login({ username: "ada", password: "right" }).catch(() => undefined); // what the provider's answer does
  away.close();
  const { auth, states } = tab();
  await pass();
  expect(states).toEqual(["pending"]);
  await auth.getState().pending!.second("123456");
  expect(auth.getState().status).toBe("authenticated");
});

test("back from the provider the other tabs hear of the sign-in, once", async () => {
  const away = tab();
  await pass();
  await away.auth.startProvider("example");
  away.close();
  server.user = ada;
  const channel = new BroadcastChannel("cloakroom" + url);
  const heard: unknown[] = [];
  channel.onmessage = ({ data }) => heard.push(data);
  const { auth } = tab();
  await pass();
  expect(auth.getState().status).toBe("authenticated");
  await auth.refresh();
  await pass();
  channel.close();
  expect(heard).toEqual([{ type: "changed" }]);
  expect(sessionStorage.length).toBe(0); // the page keeps nothing
  expect(asked("GET /api/auth/login/pending")).toBe(0);
});

test("after an attempt that failed nothing is pending, and it isn't asked for again", async () => {
  server.answers.set("GET /api/auth/login/pending", () => problem(401, "pending_ended"));
  const away = tab();
  await pass();
  await away.auth.startProvider("example");
  away.close();
  const { auth } = tab();
  await pass();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "not_authenticated" });
  await auth.refresh();
  expect(asked("GET /api/auth/login/pending")).toBe(1);
  expect(sessionStorage.length).toBe(0);
});
