import "@angular/compiler";
import { HttpClient, HttpErrorResponse, provideHttpClient, withFetch, withInterceptors } from "@angular/common/http";
import { Component, provideZonelessChangeDetection } from "@angular/core";
import { TestBed } from "@angular/core/testing";
import { BrowserTestingModule, platformBrowserTesting } from "@angular/platform-browser/testing";
import { provideRouter, Router } from "@angular/router";
import { firstValueFrom } from "rxjs";
import { beforeAll, expect, test } from "vitest";
import { authGuard, authInterceptor, injectAuth, injectSignIn, provideAuth } from "../src/angular.js";
import { createAuth } from "../src/index.js";
import { ada, asked, codes, demandCode, demandEnrolment, json, lost, next, pass, problem, server, Stream, url } from "./world.js";

beforeAll(() => TestBed.initTestEnvironment(BrowserTestingModule, platformBrowserTesting()));

class Form {
  readonly form = injectSignIn({ autofill: true });
}
Component({ template: "" })(Form);

function start() {
  const auth = createAuth({ url });
  TestBed.resetTestingModule().configureTestingModule({
    providers: [
      provideZonelessChangeDetection(),
      provideAuth(auth),
      provideHttpClient(withFetch(), withInterceptors([authInterceptor])),
      provideRouter([
        { path: "", children: [] },
        { path: "signin", children: [] },
        { path: "notes", children: [], canActivate: [authGuard()] },
        { path: "desk", canActivate: [authGuard()], children: [{ path: "mail", children: [] }, { path: "news", children: [] }] },
      ]),
    ],
  });
  return { auth, it: TestBed.runInInjectionContext(injectAuth), http: TestBed.inject(HttpClient), router: TestBed.inject(Router) };
}

test("signals have the state until the application is destroyed", async () => {
  const { auth, it } = start();
  expect(it.status()).toBe("loading");
  await pass();
  expect(it.status()).toBe("anonymous");
  await auth.login({ username: "ada", password: "right" });
  expect(it.user()).toEqual(ada);
  await pass();
  expect(Stream.open.length).toBe(1);
  TestBed.resetTestingModule();
  expect(Stream.open).toEqual([]);
});

test("an outage without a known user isn't told as signed out", async () => {
  server.answers.set("GET /api/me", lost);
  const { it } = start();
  await pass();
  expect([it.status(), it.user()]).toEqual(["unavailable", undefined]);
});

test("injectSignIn says which step is due, and why one was refused", async () => {
  demandCode();
  const { it, router } = start();
  await pass();
  const form = TestBed.runInInjectionContext(injectSignIn);
  await form.login({ username: "ada", password: "right" });
  expect(form.pending()?.factors).toEqual(["totp", "recovery_code"]);
  await router.navigateByUrl("/notes");
  expect(router.url).toBe("/signin?next=%2Fnotes");
  await form.second("000000");
  expect(form.error()?.code).toBe("invalid");
  const second = form.second("123456");
  expect([form.sending(), form.error()]).toEqual([true, undefined]);
  await second;
  expect([form.sending(), form.pending(), it.user()]).toEqual([false, undefined, ada]);
});

test("injectSignIn sets up the factor that the server requires, and says its codes", async () => {
  demandEnrolment();
  const { it } = start();
  await pass();
  const form = TestBed.runInInjectionContext(injectSignIn);
  await form.login({ username: "ada", password: "right" });
  await form.enrolApp();
  expect([form.pending()?.kind, form.app()?.secret]).toEqual(["enrol", "ABCD"]);
  await form.confirmApp("123456");
  expect([form.pending(), form.app(), form.recoveryCodes(), it.user()]).toEqual([undefined, undefined, codes, ada]);
  form.codesKept();
  expect(form.recoveryCodes()).toBeUndefined();
});

test("injectSignIn suggests passkeys as long as the form is shown and its first step is due", async () => {
  demandCode();
  const { auth, it } = start();
  const offers: AbortSignal[] = [];
  const waiting = () => offers.filter(({ aborted }) => !aborted).length;
  it.autofill = (signal) => {
    offers.push(signal!);
    return new Promise(() => {});
  };
  const fixture = TestBed.createComponent(Form);
  await pass();
  fixture.detectChanges();
  expect(waiting()).toBe(1);
  const { form } = fixture.componentInstance;
  await form.login({ username: "ada", password: "right" });
  fixture.detectChanges();
  expect(waiting()).toBe(0);
  await form.cancel();
  fixture.detectChanges();
  expect(waiting()).toBe(1);
  fixture.destroy();
  expect(waiting()).toBe(0);
  expect(auth.getState().status).toBe("anonymous");
});

test("the guard leads to the sign-in, and away when the session ends", async () => {
  const { auth, router } = start();
  await router.navigateByUrl("/notes?page=2");
  expect(router.parseUrl(router.url).queryParams).toEqual({ next: "/notes?page=2" });
  await auth.login({ username: "ada", password: "right" });
  await router.navigateByUrl("/notes");
  expect(router.url).toBe("/notes");
  server.answers.set("GET /api/me", lost);
  await auth.refresh();
  await pass();
  expect(router.url).toBe("/notes");
  await auth.logout();
  await pass();
  expect(router.url).toBe("/signin?next=%2Fnotes");
  await auth.login({ username: "ada", password: "right" });
  await router.navigateByUrl("/");
  await auth.logout();
  await pass();
  expect(router.url).toBe("/");
});

test("the guard leads away from an address that the user has come to within the guarded route", async () => {
  const { auth, router } = start();
  await pass();
  for (const [first, then] of [["/notes", "/notes?page=2"], ["/desk/mail", "/desk/news"]] as const) {
    await auth.login({ username: "ada", password: "right" });
    await router.navigateByUrl(first);
    await router.navigateByUrl(then);
    expect(router.url).toBe(then);
    await auth.logout();
    await pass();
    expect(router.parseUrl(router.url).queryParams).toEqual({ next: then });
  }
});

test("the interceptor sends the cookie, repeats after a 401 while signed in, and sends the token that is asked for", async () => {
  server.user = ada;
  const { http } = start();
  await pass();
  next("POST /api/notes", () => problem(401, "session_ended"), () => problem(403, "csrf_failed"), async (request) =>
    json({ body: await request.json(), token: request.headers.get("x-csrftoken") }));
  const answer = await firstValueFrom(http.post(`${url}/api/notes`, { n: 1 }));
  expect(answer).toEqual({ body: { n: 1 }, token: "token" });
  expect(server.requests.at(-1)!.credentials).toBe("include");
  expect(asked("POST /api/notes")).toBe(3);
});

test("the interceptor reads a refusal in whatever form the request asked for", async () => {
  server.user = ada;
  const { http } = start();
  await pass();
  for (const responseType of ["text", "blob", "arraybuffer"] as const) {
    next("POST /api/file", () => problem(403, "csrf_failed"), () => json("done"));
    const answer = await firstValueFrom(http.post(`${url}/api/file`, {}, { responseType: responseType as "text" }));
    expect(await new Response(answer).json()).toBe("done");
  }
});

test("a 401 of a session that has ended reaches the app and changes the state", async () => {
  server.user = ada;
  const { http, it } = start();
  await pass();
  server.user = undefined;
  server.answers.set("GET /api/notes", () => problem(401, "not_authenticated"));
  await expect(firstValueFrom(http.get(`${url}/api/notes`, { responseType: "text" }))).rejects.toBeInstanceOf(HttpErrorResponse);
  expect(it.status()).toBe("anonymous");
  expect(asked("GET /api/notes")).toBe(1);
});

test("requests to other origins are unchanged", async () => {
  server.user = ada;
  const { http } = start();
  await pass();
  server.answers.set("GET /x", () => json({}, 401));
  await expect(firstValueFrom(http.get("http://127.0.0.1:9999/x"))).rejects.toBeInstanceOf(HttpErrorResponse);
  expect(server.requests.at(-1)!.credentials).not.toBe("include");
  expect(asked("GET /x")).toBe(1);
});
