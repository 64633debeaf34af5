import { expect, test } from "vitest";
import { createApp, defineComponent, h, nextTick } from "vue";
import { createMemoryHistory, createRouter, RouterView } from "vue-router";
import { createAuth } from "../src/index.js";
import { authPlugin, guardRouter, useAuth } from "../src/vue.js";
import { ada, finally_, lost, pass, server, Stream, url } from "./world.js";

const Page = defineComponent(() => {
  const { status, user } = useAuth();
  return () => h("b", `${status.value} ${user.value?.username}`);
});

function mount(root: object, auth = createAuth({ url })) {
  const place = document.createElement("div");
  const app = createApp(root).use(authPlugin, auth);
  return { app, auth, place, mount: () => app.mount(place), text: () => place.textContent };
}

test("a component sees who is signed in, and changes with it", async () => {
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

test("the guard leads to the sign-in and knows the way back", async () => {
  const { router, auth } = guarded();
  await router.push("/notes?page=2");
  expect(router.currentRoute.value.fullPath).toContain("/signin?next=");
  expect(router.currentRoute.value.query["next"]).toBe("/notes?page=2");
  await auth.login({ username: "ada", password: "right" });
  await router.push("/notes");
  expect(router.currentRoute.value.path).toBe("/notes");
});

test("a session that ends while a guarded route is shown leads away; on an open one it doesn't", async () => {
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

test("an outage leads nobody away", async () => {
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
