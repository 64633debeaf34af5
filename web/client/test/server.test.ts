// @vitest-environment node
// Rendering the application on a server, which has neither a page nor a visitor's cookie.
import "@angular/compiler";
import { HttpErrorResponse, HttpRequest, HttpResponse, type HttpEvent } from "@angular/common/http";
import { createEnvironmentInjector, Injector, runInInjectionContext, type EnvironmentInjector } from "@angular/core";
import { createElement as h } from "react";
import { renderToString } from "react-dom/server";
import { firstValueFrom, of, throwError, type Observable } from "rxjs";
import { expect, test } from "vitest";
import { createSSRApp, defineComponent, h as vueH } from "vue";
import { createMemoryHistory, createRouter } from "vue-router";
import { renderToString as renderVue } from "vue/server-renderer";
import { authInterceptor, provideAuth } from "../src/angular.js";
import { createAuth, type Auth } from "../src/index.js";
import { AuthProvider, useAuth } from "../src/react.js";
import { authPlugin, guardRouter, useAuth as useVueAuth } from "../src/vue.js";
import { asked, server, url } from "./world.js";

/** An auth that counts who listens. */
function listened() {
  const auth = createAuth({ url });
  const count = { listeners: 0 };
  const subscribe: Auth["subscribe"] = (listener) => {
    count.listeners++;
    const unsubscribe = auth.subscribe(listener);
    return () => {
      count.listeners--;
      unsubscribe();
    };
  };
  return { auth: { ...auth, subscribe }, count };
}

test("on a server the state is loading, and ready doesn't wait", async () => {
  const { auth, count } = listened();
  expect(await auth.ready()).toEqual({ status: "loading" });
  expect(count.listeners).toBe(0);
  expect(server.asked).toEqual([]);
});

test("React renders on a server what the browser begins with", () => {
  const { auth, count } = listened();
  const Page = () => h("b", null, useAuth().status);
  expect(renderToString(h(AuthProvider, { auth }, h(Page)))).toBe("<b>loading</b>");
  expect(count.listeners).toBe(0);
});

test("Vue's plugin and guard leave nothing behind", async () => {
  const { auth, count } = listened();
  const Page = defineComponent(() => {
    const { status } = useVueAuth();
    return () => vueH("b", status.value);
  });
  for (let request = 0; request < 3; request++) {
    const router = createRouter({
      history: createMemoryHistory(),
      routes: [{ path: "/", component: Page }, { path: "/notes", component: Page, meta: { requiresAuth: true } }],
    });
    guardRouter(router, auth);
    await router.push("/notes");
    expect(router.currentRoute.value.path).toBe("/notes");
    expect(await renderVue(createSSRApp(Page).use(authPlugin, auth).use(router))).toBe("<b>loading</b>");
  }
  expect(count.listeners).toBe(0);
});

test("Angular's interceptor takes relative addresses, and a refusal for what it is", async () => {
  const auth = createAuth({ url });
  const injector = createEnvironmentInjector([provideAuth(auth)], Injector.NULL as EnvironmentInjector);
  const send = (address: string, answer: () => Observable<HttpEvent<unknown>>) =>
    firstValueFrom(runInInjectionContext(injector, () => authInterceptor(new HttpRequest("GET", address), answer)));
  const fine = new HttpResponse({ status: 200 });
  for (const address of ["/api/notes", "notes", url + "/api/notes", "https://elsewhere.example/"]) {
    expect(await send(address, () => of(fine))).toBe(fine);
  }
  const refused = new HttpErrorResponse({ status: 401, error: { code: "not_authenticated" } });
  await expect(send("/api/notes", () => throwError(() => refused))).rejects.toBe(refused);
  expect(asked("GET /api/me")).toBe(0);
  expect(auth.getState().status).toBe("loading");
  injector.destroy();
});
