// The code of an app compiles, and wrong code doesn't.

import {
  AuthError, createAuth, createClient, type Auth, type AuthState, type FreshSignIn, type Pending, type SignIn, type User,
} from "@cloakroom/client";
import { authGuard, authInterceptor, injectAuth, injectSignIn, provideAuth } from "@cloakroom/client/angular";
import { AuthProvider, RequireAuth, useAuth, useSignIn } from "@cloakroom/client/react";
import { authPlugin, guardRouter, useAuth as useVueAuth, useSignIn as useVueSignIn } from "@cloakroom/client/vue";
import { provideHttpClient, withInterceptors } from "@angular/common/http";
import type { Route } from "@angular/router";
import { createElement } from "react";
import { createApp } from "vue";
import { createRouter, createWebHistory } from "vue-router";

const auth: Auth = createAuth({ url: "http://127.0.0.1:8000", origins: ["http://127.0.0.1:9000"] });

export function narrows(state: AuthState): string {
  switch (state.status) {
    case "loading":
      // @ts-expect-error there is no user yet
      return state.user.username;
    case "anonymous":
      return state.reason;
    case "pending":
      // @ts-expect-error no one is signed in yet
      state.user.username;
      return state.pending.factors.join();
    case "authenticated":
      return state.user.username;
    case "unavailable":
      // @ts-expect-error there may be no user
      state.user.username;
      return `${state.error.code} ${state.retryAt}`;
  }
}

export async function calls(): Promise<void> {
  const client = createClient();
  const user: User = await client.me({ slide: false });
  const result: SignIn = await auth.login({ username: user.username, password: "…", remember: false });
  // @ts-expect-error there may be a second step
  result.user.username;
  if (result.done) result.user.username.trim();
  else await second(result.pending);
  await auth.reauthenticate("…");
  await auth.reauthenticate({ password: "…", code: "123456" });
  auth.onFreshSignIn(async ({ factors, full }: FreshSignIn) => full && factors.includes("password+totp"));
  for (const { name } of (await client.methods()).providers) await auth.startProvider(name, { next: "/notes", intent: "link" });
  // @ts-expect-error there is no such intent
  await auth.startProvider("example", { intent: "signup" });
  // @ts-expect-error the password is missing
  await auth.login({ username: "ada" });
  const devices = await auth.client.sessions();
  await auth.client.endSession(devices[0]!.id);
  const answer = await client.call<{ n: number }>("GET", "/api/n");
  answer.n.toFixed();
  try {
    await auth.logout();
  } catch (error) {
    if (error instanceof AuthError && error.code === "throttled") error.retryAfter?.toFixed();
  }
  // @ts-expect-error a state is read only
  auth.getState().user = undefined;
}

async function second(pending: Pending): Promise<User | void> {
  if (pending.factors.includes("passkey")) return pending.cancel();
  // @ts-expect-error a code is a string, since it may begin with 0
  await pending.second(123456);
  // @ts-expect-error what would do is read only
  pending.factors.push("totp");
  return pending.second("123 456");
}

export async function enrol({ kind, enrol, factors }: Pending): Promise<readonly string[] | undefined> {
  // @ts-expect-error it is there only if a factor has to be set up
  void enrol.app;
  if (kind !== "enrol" || !enrol) return undefined;
  if (factors.includes("passkey")) return (await enrol.passkey({ name: "Laptop" }))?.recovery_codes;
  const { uri, secret, confirm } = await enrol.app();
  const { user, factor } = await confirm(`${uri} ${secret}`);
  user.username.trim();
  factor.name.trim();
  auth.codesKept();
  return auth.getState().recoveryCodes;
}

export function React(): unknown {
  const { status, user, login, logout } = useAuth();
  void [status === "authenticated" && user.username, login, logout];
  const form = useSignIn();
  void [form.pending?.factors, form.sending, form.error?.errors["code"], form.second("123456"), form.cancel()];
  void [form.passkey({ remember: false }), form.enrolPasskey({ securityKey: true }), form.enrolApp(), form.app?.secret, form.confirmApp("1")];
  void [form.recoveryCodes?.join(), form.codesKept(), useSignIn({ autofill: true })];
  // @ts-expect-error codes are confirmed by the form
  form.app?.confirm;
  // @ts-expect-error what to show signed out is needed
  createElement(RequireAuth, {});
  return createElement(AuthProvider, { auth }, createElement(RequireAuth, { signIn: null }));
}

export function vue(): void {
  createApp({}).use(authPlugin, auth);
  // @ts-expect-error the plugin needs an Auth
  createApp({}).use(authPlugin);
  guardRouter(createRouter({ history: createWebHistory(), routes: [] }), auth, { signIn: "/login" });
  const { user, status, logout } = useVueAuth();
  void [user.value?.username, status.value === "loading", logout];
  const form = useVueSignIn();
  void [form.pending.value?.factors, form.sending.value, form.error.value?.code, form.second("123456"), form.cancel()];
  void [form.passkey(), form.enrolApp(), form.app.value?.uri, form.recoveryCodes.value?.join(), useVueSignIn({ autofill: true })];
}

export const routes: Route[] = [{ path: "", canActivate: [authGuard()], children: [] }];
export const providers = [provideAuth(auth), provideHttpClient(withInterceptors([authInterceptor]))];
export function angular(): string | undefined {
  const { user, status, login } = injectAuth();
  void [status() === "anonymous", login];
  const form = injectSignIn();
  void [form.pending()?.factors, form.sending(), form.error()?.code, form.second("123456"), form.cancel()];
  void [form.passkey(), form.enrolApp(), form.app()?.uri, form.recoveryCodes()?.join(), injectSignIn({ autofill: true })];
  return user()?.username;
}
