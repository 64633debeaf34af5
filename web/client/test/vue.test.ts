import { expect, test, vi } from "vitest";
import { createApp, createSSRApp, defineAsyncComponent, defineComponent, h, nextTick } from "vue";
import { createMemoryHistory, createRouter, RouterView } from "vue-router";
import { renderToString } from "vue/server-renderer";
import { createAuth } from "../src/index.js";
import { authPlugin, guardRouter, useAuth, useSignIn, type SignInForm } from "../src/vue.js";
import { ada, codes, demandCode, demandEnrolment, finally_, lost, pass, server, Stream, url } from "./world.js";

const Page = defineComponent(() => {
  const { status, user } = useAuth();
  return () => h("b", `${status.value} ${user.value?.username}`);
});

function mount(root: object, auth = createAuth({ url })) {
  const place = document.createElement("div");
  const app = createApp(root).use(authPlugin, auth);
  return { app, auth, place, mount: () => app.mount(place), text: () => place.textContent };
}

test("a component gets the state, and changes with it", async () => {
  const { app, auth, mount: go, text } = mount(Page);
  go();
  expect(text()).toBe("loading undefined");
  await pass();
  expect(text()).toBe("anonymous undefined");
  await auth.login({ username: "ada", password: "right" });
  await nextTick();
  expect(text()).toBe("authenticated ada");
  await pass();
  expect(Stream.open.length).toBe(1);
  app.unmount();
  expect(Stream.open).toEqual([]);
});

test("an outage without a known user isn't told as signed out", async () => {
  server.answers.set("GET /api/me", lost);
  const { mount: go, text } = mount(Page);
  go();
  await pass();
  expect(text()).toBe("unavailable undefined");
});

test("useSignIn says which step is due, and why one was refused", async () => {
  demandCode();
  let form!: SignInForm;
  const { mount: go, text } = mount(defineComponent(() => {
    form = useSignIn();
    return () => h("b", `${form.pending.value?.factors.join()} ${form.sending.value} ${form.error.value?.code}`);
  }));
  go();
  await pass();
  await form.login({ username: "ada", password: "right" });
  await nextTick();
  expect(text()).toBe("totp,recovery_code false undefined");
  await form.second("000000");
  await nextTick();
  expect(text()).toBe("totp,recovery_code false invalid");
  const second = form.second("123456");
  await nextTick();
  expect(text()).toBe("totp,recovery_code true undefined");
  await second;
  await nextTick();
  expect(text()).toBe("undefined false undefined");
});

test("useSignIn sets up the factor that the server requires, and says its codes", async () => {
  demandEnrolment();
  let form!: SignInForm;
  const { mount: go, text } = mount(defineComponent(() => {
    form = useSignIn();
    return () => h("b", `${form.pending.value?.kind} ${form.app.value?.secret} ${form.recoveryCodes.value?.join()}`);
  }));
  go();
  await pass();
  await form.login({ username: "ada", password: "right" });
  await form.enrolApp();
  await nextTick();
  expect(text()).toBe("enrol ABCD undefined");
  await form.confirmApp("123456");
  await nextTick();
  expect(text()).toBe(`undefined undefined ${codes.join()}`);
  form.codesKept();
  await nextTick();
  expect(text()).toBe("undefined undefined undefined");
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
  let form!: SignInForm;
  const { app, mount: go } = mount(defineComponent(() => {
    form = useSignIn({ autofill: true });
    return () => h("b");
  }), auth);
  go();
  expect(waiting()).toBe(0);
  await pass();
  expect(waiting()).toBe(1);
  await form.login({ username: "ada", password: "right" });
  await nextTick();
  expect(waiting()).toBe(0);
  await form.cancel();
  await nextTick();
  expect(waiting()).toBe(1);
  app.unmount();
  expect(waiting()).toBe(0);
});

function guarded() {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: "/", component: { render: () => "open" } },
      { path: "/signin", component: { render: () => "sign in" } },
      { path: "/notes", component: { render: () => "notes" }, meta: { requiresAuth: true } },
    ],
  });
  const it = mount(RouterView);
  finally_(guardRouter(router, it.auth));
  it.app.use(router);
  return { ...it, router };
}

test("the guard leads to the sign-in while a second step is due", async () => {
  demandCode();
  const { auth, router } = guarded();
  await auth.login({ username: "ada", password: "right" });
  await router.push("/notes");
  expect(router.currentRoute.value.fullPath).toBe("/signin?next=/notes");
});

test("the guard leads to the sign-in, with the way back", async () => {
  const { router, auth } = guarded();
  await router.push("/notes?page=2");
  expect(router.currentRoute.value.fullPath).toContain("/signin?next=");
  expect(router.currentRoute.value.query["next"]).toBe("/notes?page=2");
  await auth.login({ username: "ada", password: "right" });
  await router.push("/notes");
  expect(router.currentRoute.value.path).toBe("/notes");
});

test("a session that ends on a guarded route leads to the sign-in; on an open route it doesn't", async () => {
  server.user = ada;
  const { router, auth } = guarded();
  await router.push("/notes");
  await auth.logout();
  await pass();
  expect(router.currentRoute.value.path).toBe("/signin");
  await auth.login({ username: "ada", password: "right" });
  await router.push("/");
  await auth.logout();
  await pass();
  expect(router.currentRoute.value.path).toBe("/");
});

test("an outage redirects no one", async () => {
  server.user = ada;
  const { router, auth } = guarded();
  await router.push("/notes");
  server.answers.set("GET /api/me", lost);
  await auth.refresh();
  await pass();
  expect(router.currentRoute.value.path).toBe("/notes");
  await router.push("/");
  await router.push("/notes");
  expect(router.currentRoute.value.path).toBe("/notes");
});

test("an async component that hydrates after the state is known finds what the server rendered", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  server.user = ada;
  const Greeting = defineComponent(() => {
    const { user } = useAuth();
    return () => (user.value ? h("b", user.value.username) : h("i", "loading"));
  });
  const place = document.createElement("div");
  place.innerHTML = await renderToString(createSSRApp({ render: () => h("p", h(Greeting)) }).use(authPlugin, createAuth({ url })));
  expect(place.innerHTML).toBe("<p><i>loading</i></p>");

  let arrive = (_: typeof Greeting): void => {};
  const Late = defineAsyncComponent(() => new Promise<typeof Greeting>((resolve) => (arrive = resolve)));
  const auth = createAuth({ url });
  const app = createSSRApp({ render: () => h("p", h(Late)) }).use(authPlugin, auth);
  app.mount(place);
  finally_(() => app.unmount());
  await pass();
  expect(auth.getState().status).toBe("authenticated");
  arrive(Greeting);
  await pass();
  await nextTick();
  expect(error.mock.calls).toEqual([]);
  expect(warn.mock.calls.filter(([text]) => String(text).includes("ydration"))).toEqual([]);
  expect(place.innerHTML).toBe("<p><b>ada</b></p>");
  await auth.logout();
  await nextTick();
  expect(place.innerHTML).toBe("<p><i>loading</i></p>");
});
