/** The administration's routes as TanStack queries and mutations. */

import { keepPreviousData, QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type AuthError, type Factors, isOutage, type Token } from "../api.ts";
import type { AdminSession, AdminUser, AuditEvent, Compromised, DisabledUser, Group, GroupChange, Invitation, IssuedInvitation, ResetLink, UserChange } from "./types.ts";

declare module "@tanstack/react-query" {
  interface Register {
    defaultError: AuthError;
  }
}

/**
 * Queries are not repeated when the page gets the focus or the network is back: the server might ask for the password, and
 * people should not get used to password dialogs that they didn't cause.
 */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (failures, error) => isOutage(error) && failures < 3,
      retryDelay: (failures, error) => (error.retryAfter ?? 2 ** failures) * 1000,
    },
  },
});

const root = "/api/auth/admin";
const route = (...parts: (string | number)[]) => [root, ...parts.map(encodeURIComponent)].join("/");

function withQuery(path: string, parameters: Record<string, string | undefined>): string {
  const entries = Object.entries(parameters).filter((entry): entry is [string, string] => !!entry[1]);
  return entries.length > 0 ? `${path}?${new URLSearchParams(entries)}` : path;
}

export interface UserFilter {
  search: string;
  group: string;
}

export function useUsers(filter: UserFilter) {
  return useInfiniteQuery({
    queryKey: ["users", filter],
    queryFn: ({ pageParam }) =>
      api.call<{ users: AdminUser[]; next: string | null }>("GET", withQuery(route("users"), { ...filter, after: pageParam })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

export function useUser(id: string) {
  return useQuery({ queryKey: ["user", id], queryFn: () => api.call<AdminUser>("GET", route("users", id)) });
}

export function useUserSessions(id: string) {
  return useQuery({
    queryKey: ["sessions", id],
    queryFn: async () => (await api.call<{ sessions: AdminSession[] }>("GET", route("users", id, "sessions"))).sessions,
  });
}

export function useSessions() {
  return useInfiniteQuery({
    queryKey: ["sessions"],
    queryFn: ({ pageParam }) =>
      api.call<{ sessions: AdminSession[]; next: string | null }>("GET", withQuery(route("sessions"), { after: pageParam })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
}

export function useInvitations() {
  return useInfiniteQuery({
    queryKey: ["invitations"],
    queryFn: ({ pageParam }) =>
      api.call<{ invitations: Invitation[]; next: string | null }>("GET", withQuery(route("invitations"), { after: pageParam })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
}

export function useGroups(enabled = true) {
  return useQuery({
    queryKey: ["groups"],
    queryFn: async () => (await api.call<{ groups: Group[] }>("GET", route("groups"))).groups,
    enabled,
  });
}

export function usePermissions(enabled = true) {
  return useQuery({
    queryKey: ["permissions"],
    queryFn: async () => (await api.call<{ permissions: string[] }>("GET", route("permissions"))).permissions,
    enabled,
  });
}

export function useUserTokens(id: string) {
  return useQuery({
    queryKey: ["tokens", id],
    queryFn: async () => (await api.call<{ tokens: Token[] }>("GET", route("users", id, "tokens"))).tokens,
  });
}

export function useUserFactors(id: string) {
  return useQuery({ queryKey: ["factors", id], queryFn: () => api.call<Factors>("GET", route("users", id, "factors")) });
}

/** Undefined or "" matches every event. Times are in the format of RFC 3339. */
export interface EventFilter extends Record<string, string | undefined> {
  user?: string | undefined;
  event?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export function fetchEvents(filter: EventFilter, after = "") {
  return api.call<{ events: AuditEvent[]; next: string | null }>("GET", withQuery(route("audit"), { ...filter, after }));
}

export function useEvents(filter: EventFilter) {
  return useInfiniteQuery({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam }) => fetchEvents(filter, pageParam),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

/** The address of a file with all matching events. */
export function exportURL(filter: EventFilter, format: "csv" | "ndjson"): string {
  return withQuery(route("audit", "export"), { format, ...filter });
}

/**
 * A change by an administrator. It invalidates every query, and succeeds only when the queries on the screen have been loaded
 * again. "gone" doesn't wait for them: it is for changes that may remove the component that made them. "parts" is the same for one that
 * may fail after a part of it was made.
 */
export function useAdminMutation<In, Out>(mutationFn: (input: In) => Promise<Out>, after?: "gone" | "parts") {
  const client = useQueryClient();
  const onSuccess = async () => {
    client.removeQueries({ type: "inactive" });
    const reloaded = client.invalidateQueries();
    if (!after) await reloaded;
  };
  return useMutation({ mutationFn, onSuccess, ...(after === "parts" && { onError: onSuccess }) });
}

const atOnce = 1000; // users that the server disables in one request

export const mutations = {
  createUser: (user: UserChange & { password?: string }) => api.call<AdminUser>("POST", route("users"), user),
  changeUser: ({ id, change }: { id: string; change: UserChange }) => api.call<AdminUser>("PATCH", route("users", id), change),
  deleteUser: (id: string) => api.call<object>("DELETE", route("users", id)),
  disableUser: (id: string) => api.call<AdminUser>("POST", route("users", id, "disable")),
  disableUsers: async (users: readonly AdminUser["id"][]) => {
    const all: DisabledUser[] = [];
    for (let at = 0; at < users.length; at += atOnce) {
      const part = { users: users.slice(at, at + atOnce) };
      all.push(...(await api.call<{ users: DisabledUser[] }>("POST", route("users", "disable"), part)).users);
    }
    return all;
  },
  enableUser: (id: string) => api.call<AdminUser>("POST", route("users", id, "enable")),
  resetLink: (id: string) => api.call<ResetLink>("POST", route("users", id, "reset")),
  setPassword: ({ id, ...password }: { id: string; password: string; keep_factors: boolean }) =>
    api.call<object>("POST", route("users", id, "password"), password),
  declareCompromised: ({ id, ...keep }: { id: string } & Compromised) => api.call<ResetLink>("POST", route("users", id, "compromised"), keep),
  revokeAll: (id: string) => api.call<object>("POST", route("users", id, "end")),
  removeFactors: (id: string) => api.call<object>("DELETE", route("users", id, "factors")),
  revokeToken: (id: string) => api.call<object>("DELETE", route("tokens", id)),
  endSession: (id: string) => api.call<object>("DELETE", route("sessions", id)),
  invite: (invitation: { email: string; groups: string[]; language: string; printed: boolean }) =>
    api.call<IssuedInvitation>("POST", route("invitations"), invitation),
  inviteAgain: (id: string) => api.call<IssuedInvitation>("POST", route("invitations", id, "send")),
  withdrawInvitation: (id: string) => api.call<object>("DELETE", route("invitations", id)),
  createGroup: (group: Group) => api.call<Group>("POST", route("groups"), group),
  changeGroup: ({ name, ...change }: GroupChange) => api.call<Group>("PATCH", route("groups", name), change),
  deleteGroup: (name: string) => api.call<object>("DELETE", route("groups", name)),
};

/** The path of a page of the administration. */
export function adminPath(path: string): string {
  return `/auth/admin/${path}`;
}
