// The code of an app compiles, and wrong code doesn't.

import { AuthError, createAuth, createClient, type Auth, type AuthState, type User } from "@cloakroom/client";
import { authGuard, authInterceptor, injectAuth, provideAuth } from "@cloakroom/client/angular";
import { AuthProvider, RequireAuth, useAuth } from "@cloakroom/client/react";
import { authPlugin, guardRouter, useAuth as useVueAuth } from "@cloakroom/client/vue";
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
  await auth.login({ username: user.username, password: "…", remember: false });
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

export function React(): unknown {
  const { status, user, login, logout } = useAuth();
  void [status === "authenticated" && user.username, login, logout];
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
}

export const routes: Route[] = [{ path: "", canActivate: [authGuard()], children: [] }];
export const providers = [provideAuth(auth), provideHttpClient(withInterceptors([authInterceptor]))];
export function angular(): string | undefined {
  const { user, status, login } = injectAuth();
  void [status() === "anonymous", login];
  return user()?.username;
}
