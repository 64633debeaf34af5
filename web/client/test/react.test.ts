import { readFileSync } from "node:fs";
import { join } from "node:path";
import { act, createElement as h, lazy, StrictMode, Suspense, type ReactNode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { AuthError, createAuth } from "../src/index.js";
import { AuthProvider, RequireAuth, useAuth, useSignIn, type SignInForm } from "../src/react.js";
import { ada, asked, codes, demandCode, demandEnrolment, finally_, lost, pass, server, Stream, url } from "./world.js";

async function show(content: ReactNode, auth = createAuth({ url })) {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  const place = document.createElement("div");
  const root = createRoot(place);
  const unmount = () => act(() => root.unmount());
  finally_(unmount);
  act(() => root.render(h(StrictMode, null, h(AuthProvider, { auth }, content))));
  const first = place.textContent;
  await act(() => pass());
  return { auth, first, text: () => place.textContent, unmount };
}

const Name = () => h("b", null, useAuth().user?.username);
const gate = h(RequireAuth, { signIn: "sign in", loading: "loading", unavailable: "unavailable" }, h(Name));

test("a component gets the state and the functions", async () => {
  let login: ReturnType<typeof useAuth>["login"];
  function Page() {
    const auth = useAuth();
    login = auth.login;
    return `${auth.status} ${auth.user?.username}`;
  }
  const { text, first } = await show(h(Page));
  expect(first).toBe("loading undefined");
  expect(text()).toBe("anonymous undefined");
  await act(() => login({ username: "ada", password: "right" }));
  expect(text()).toBe("authenticated ada");
});

test("useSignIn says which step is due, and why one was refused", async () => {
  demandCode();
  let form!: SignInForm;
  function Page() {
    form = useSignIn();
    return `${form.pending?.factors.join()} ${form.sending} ${form.error?.code}`;
  }
  const { text } = await show(h(RequireAuth, { signIn: h(Page) }, "in"));
  expect(text()).toBe("undefined false undefined");
  await act(async () => expect(await form.login({ username: "ada", password: "wrong" })).toBeUndefined());
  expect(text()).toBe("undefined false invalid_credentials");
  const { login } = form;
  await act(() => form.login({ username: "ada", password: "right" }));
  expect(text()).toBe("totp,recovery_code false undefined");
  expect(form.login).toBe(login);
  await act(() => form.second("000000"));
  expect(text()).toBe("totp,recovery_code false invalid");
  await act(() => form.cancel());
  expect(text()).toBe("undefined false undefined");
  await act(() => form.login({ username: "ada", password: "right" }));
  act(() => void form.second("123456"));
  expect(text()).toBe("totp,recovery_code true undefined");
  await act(() => pass());
  expect(text()).toBe("in");
});

test("RequireAuth shows each state, and keeps a user signed in through an outage", async () => {
  const { auth, first, text } = await show(gate);
  expect(first).toBe("loading");
  expect(text()).toBe("sign in");
  await act(() => auth.login({ username: "ada", password: "right" }));
  expect(text()).toBe("ada");
  server.answers.set("GET /api/me", lost);
  await act(() => auth.refresh());
  expect(auth.getState().status).toBe("unavailable");
  expect(text()).toBe("ada");
});

test("an outage without a known user doesn't show the sign-in", async () => {
  server.answers.set("GET /api/me", lost);
  const { text } = await show(gate);
  expect(text()).toBe("unavailable");
});

test("useSignIn sets up the factor that the server requires, and its codes are shown until they are kept", async () => {
  demandEnrolment();
  let form!: SignInForm;
  function Page() {
    form = useSignIn();
    return `${form.pending?.kind} ${form.app?.secret} ${form.error?.code} ${form.recoveryCodes?.join()}`;
  }
  const { text } = await show(h(RequireAuth, { signIn: h(Page) }, "in"));
  await act(() => form.login({ username: "ada", password: "right" }));
  await act(() => form.confirmApp("123456"));
  expect(text()).toBe("enrol undefined undefined undefined");
  await act(() => form.enrolApp());
  await act(() => form.confirmApp("000000"));
  expect(text()).toBe("enrol ABCD invalid undefined");
  await act(() => form.confirmApp("123456"));
  expect(text()).toBe(`undefined undefined undefined ${codes.join()}`);
  act(() => form.codesKept());
  expect(text()).toBe("in");
});

test("useSignIn suggests passkeys as long as the form is shown and its first step is due", async () => {
  demandCode();
  const auth = createAuth({ url });
  const offers: AbortSignal[] = [];
  const waiting = () => offers.filter(({ aborted }) => !aborted).length;
  auth.autofill = (signal) => {
    offers.push(signal!);
    return new Promise(() => {});
  };
  auth.passkey = async () => (server.user = ada);
  let form!: SignInForm;
  function Page({ autofill }: { autofill?: boolean }) {
    form = useSignIn({ autofill });
    return "form";
  }
  const { unmount } = await show(h(RequireAuth, { signIn: h(Page, { autofill: true }) }, "in"), auth);
  expect(waiting()).toBe(1);
  await act(() => form.login({ username: "ada", password: "right" }));
  expect(waiting()).toBe(0);
  await act(() => form.cancel());
  expect(waiting()).toBe(1);
  unmount();
  expect(waiting()).toBe(0);
  const before = offers.length;
  await show(h(RequireAuth, { signIn: h(Page) }, "in"), auth);
  expect(offers.length).toBe(before);
});

test("useSignIn reports why a passkey was refused, from the field as well", async () => {
  const auth = createAuth({ url });
  let refuse = (_: Error): void => {};
  auth.autofill = () => new Promise((_, reject) => (refuse = reject));
  auth.passkey = () => Promise.reject(new AuthError("throttled", 429));
  let form!: SignInForm;
  function Page() {
    form = useSignIn({ autofill: true });
    return `${form.sending} ${form.error?.code}`;
  }
  const { text } = await show(h(Page), auth);
  expect(text()).toBe("false undefined");
  await act(async () => refuse(new AuthError("passkey_unknown", 401)));
  expect(text()).toBe("false passkey_unknown");
  await act(() => form.passkey());
  expect(text()).toBe("false throttled");
});

test("strict mode mounts twice, and asks once", async () => {
  server.user = ada;
  await show(gate);
  expect(asked("GET /api/me")).toBe(1);
  expect(Stream.open.length).toBe(1);
});

test("unmounting removes every listener", async () => {
  server.user = ada;
  const { unmount } = await show(gate);
  unmount();
  expect(Stream.open).toEqual([]);
});

test("without a provider it says what is missing", async () => {
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  const root = createRoot(document.createElement("div"), { onUncaughtError: () => {} });
  expect(() => act(() => root.render(h(Name)))).toThrow("AuthProvider");
  error.mockRestore();
});

test("a component that hydrates after the state is known finds what the server rendered", async () => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  server.user = ada;
  const Page = () => h("b", null, useAuth().user?.username ?? "loading");
  const app = (page: ReactNode, auth = createAuth({ url })) => h(AuthProvider, { auth }, h(Suspense, null, page));
  const place = document.createElement("div");
  place.innerHTML = renderToString(app(h(Page)));
  expect(place.textContent).toBe("loading");

  let arrive = (_: { default: typeof Page }): void => {};
  const Late = lazy(() => new Promise<{ default: typeof Page }>((resolve) => (arrive = resolve)));
  const auth = createAuth({ url });
  const errors: unknown[] = [];
  const root = await act(() => hydrateRoot(place, app(h(Late), auth), { onRecoverableError: (error) => errors.push(error) }));
  finally_(() => act(() => root.unmount()));
  await act(() => pass());
  expect(auth.getState().status).toBe("authenticated");
  expect(place.textContent).toBe("loading");
  await act(async () => {
    arrive({ default: Page });
    await pass();
  });
  expect(errors).toEqual([]);
  expect(place.textContent).toBe("ada");
});

test("a server component may import the module, which says \"use client\"", () => {
  const built = readFileSync(join(import.meta.dirname, "../dist/react.js"), "utf8");
  expect(built).toMatch(/^"use client";/);
});
