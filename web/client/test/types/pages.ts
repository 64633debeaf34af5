// The types of the administration's pages say what openapi.yaml says, too.

import type { AdminSession, AdminUser, AuditEvent, Compromised, Group, ResetLink, UserChange } from "../../../pages/src/admin/types.ts";
import type { Factor, Factors, LinkedAccount, NewApp } from "../../../pages/src/api.ts";
import type { components, paths } from "../../.types/openapi.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [K in keyof T]: T[K] };
declare function same<A, B>(..._: Equal<Flat<A>, Flat<B>> extends true ? [] : [ours: A, theirs: B]): void;
declare function within<_A extends B, B>(): void;

type Schema = components["schemas"];
type JSONOf<T> = T extends { content: infer C } ? C[keyof C] : never;
type Body<P extends keyof paths, M extends string> = paths[P] extends Record<M, { requestBody?: infer B }> ? JSONOf<Exclude<B, undefined>> : never;
type Answer<P extends keyof paths, M extends string> = paths[P] extends Record<M, { responses: { 200: infer R } }> ? JSONOf<R> : never;

same<AdminUser, Schema["AdminUser"]>();
same<Omit<AdminSession, "method">, Omit<Schema["AdminSession"], "method">>(); // more ways in are added
within<Schema["Factors"], Factors>();
within<Schema["Factor"], Factor>();
same<LinkedAccount, Answer<"/api/auth/links", "get">["links"][number]>();
same<NewApp, Answer<"/api/auth/factors/totp", "post">>();
within<Answer<"/api/auth/admin/users/{id}/factors", "get">, Factors>();
same<Group, Required<Schema["Group"]>>(); // a new one needs no permissions
same<Omit<AuditEvent, "actor_id" | "user_id">, Omit<Schema["AuditEvent"], "actor_id" | "user_id">>(); // there they are anything
same<ResetLink, Answer<"/api/auth/admin/users/{id}/reset", "post">>();
same<ResetLink, Answer<"/api/auth/admin/users/{id}/compromised", "post">>();
within<UserChange, Body<"/api/auth/admin/users/{id}", "patch">>();
same<Compromised, Required<Body<"/api/auth/admin/users/{id}/compromised", "post">>>();
within<UserChange & { password?: string }, Partial<Body<"/api/auth/admin/users", "post">>>();

// @ts-expect-error `same` can fail
same<Omit<AdminUser, "is_active">, Schema["AdminUser"]>();
