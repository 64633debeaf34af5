// Compares our hand-written types with openapi.yaml. A line fails to compile if they differ.

import type {
  AddedFactor, Client, Credentials, Enrolled, Factor, Factors, FirstAdministrator, KnownCode, PasskeyRequest, PasswordChange, PendingStep, Proof, ProviderVisit, Session, Setup, Token, User,
} from "@cloakroom/client";
import type { components, paths } from "../../.types/openapi.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [K in keyof T]: T[K] };
declare function same<A, B>(..._: Equal<Flat<A>, Flat<B>> extends true ? [] : [ours: A, theirs: B]): void;
declare function within<_A extends B, B>(): void;

type Schema = components["schemas"];
same<User, Schema["User"]>();
same<Omit<Session, "method">, Omit<Schema["Session"], "method">>(); // more methods will be added
within<Schema["Session"], Session>();
same<Required<Token>, Required<Schema["Token"]>>();
same<Required<Credentials>, Required<Omit<Schema["Login"], "app">>>(); // for programs that are no browsers
same<PendingStep, Schema["Pending"]>();
same<PasskeyRequest, Schema["PasskeyRequest"]>();
within<KnownCode, Schema["Problem"]["code"]>();

type Path = keyof paths;
type JSONOf<T> = T extends { content: infer C } ? C[keyof C] : never;
type Body<P extends Path, M extends string> = paths[P] extends Record<M, { requestBody?: infer B }>
  ? JSONOf<Exclude<B, undefined>>
  : never;
type Answer<P extends Path, M extends string> = paths[P] extends Record<M, { responses: { 200: infer R } }> ? JSONOf<R> : never;

same<PasswordChange, Body<"/api/auth/password/change", "post">>();
same<FirstAdministrator, Body<"/api/auth/setup", "post">>();
same<Proof & { credential?: Schema["PasskeyAssertion"] }, Body<"/api/auth/reauthenticate", "post">>();
same<{ code?: string; credential?: Schema["PasskeyAssertion"] }, Body<"/api/auth/login/second", "post">>();
same<Setup, Answer<"/api/auth/setup", "get">>();

type Promised<K extends keyof Client> = Client[K] extends (...args: never) => Promise<infer T> ? T : never;
same<Factors, Answer<"/api/auth/factors", "get">>();
same<Factor, Schema["Factor"]>();
same<AddedFactor, Answer<"/api/auth/factors/passkey", "post">>();
same<{ credential: Schema["PasskeyAttestation"]; kind?: "passkey" | "security_key"; name?: string }, Body<"/api/auth/factors/passkey", "post">>();
same<Enrolled, Answer<"/api/auth/login/enrol/passkey", "post">>();
same<Enrolled, Answer<"/api/auth/login/enrol/totp/confirm", "post">>();
same<PasskeyRequest, Answer<"/api/auth/reauthenticate/options", "post">>();
same<PasskeyRequest, Answer<"/api/auth/passkey/options", "post">>();
same<{ credential: Schema["PasskeyAssertion"]; remember?: boolean; app?: boolean }, Body<"/api/auth/passkey/login", "post">>();
same<ProviderVisit, Body<"/api/auth/oidc/{provider}/start", "post">>();
same<{ location: Promised<"startProvider"> }, Answer<"/api/auth/oidc/{provider}/start", "post">>();
same<Promised<"methods">, Answer<"/api/auth/methods", "get">>();
same<Promised<"me">, Answer<"/api/me", "get">>();
same<Promised<"login">, Answer<"/api/auth/login", "post">>();
within<Answer<"/api/auth/reauthenticate", "post">, Promised<"reauthenticate">>();
same<Promised<"second">, Answer<"/api/auth/login/second", "post">>();
same<Promised<"pending">, Answer<"/api/auth/login/pending", "get">>();
within<"delete", keyof paths["/api/auth/login/pending"]>();
within<Answer<"/api/auth/sessions", "get">, { sessions: Promised<"sessions"> }>();
same<{ ended: Promised<"endOtherSessions"> }, Answer<"/api/auth/sessions", "delete">>();
same<keyof NonNullable<paths["/api/me"]["get"]["parameters"]["query"]>, "slide">();
within<"delete", keyof paths["/api/auth/sessions/{id}"]>();
same<Promised<"logout">, Answer<"/api/auth/logout", "post">>();
within<"get", keyof paths["/api/auth/csrf"]>();

// @ts-expect-error `same` can fail: a field is missing
same<Omit<User, "email">, Schema["User"]>();
// @ts-expect-error `same` can fail: a field is of another type
same<Omit<User, "email"> & { email: number }, Schema["User"]>();
// @ts-expect-error `within` can fail
within<"no_such_code", Schema["Problem"]["code"]>();
