/** The administration's routes, and how their answers are kept. */

import { keepPreviousData, QueryClient, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, isOutage, type AuthError, type Token } from "../api.ts";
import type { AdminSession, AdminUser, AuditEvent, Group, ResetLink, UserChange } from "./types.ts";

declare module "@tanstack/react-query" {
  interface Register {
    defaultError: AuthError;
  }
}

/**
 * Nothing is asked for by itself when the page is looked at again: the answer might be the demand for a password, and a box
 * that asks for one unbidden is not to be trusted.
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
const at = (...parts: (string | number)[]) => [root, ...parts.map(encodeURIComponent)].join("/");

function search(path: string, parameters: Record<string, string | undefined>): string {
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
      api.call<{ users: AdminUser[]; next: string | null }>("GET", search(at("users"), { ...filter, after: pageParam })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

export function useUser(id: string) {
  return useQuery({ queryKey: ["user", id], queryFn: () => api.call<AdminUser>("GET", at("users", id)) });
}

export function useUserSessions(id: string) {
  return useQuery({
    queryKey: ["sessions", id],
    queryFn: async () => (await api.call<{ sessions: AdminSession[] }>("GET", at("users", id, "sessions"))).sessions,
  });
}

export function useSessions() {
  return useInfiniteQuery({
    queryKey: ["sessions"],
    queryFn: ({ pageParam }) =>
      api.call<{ sessions: AdminSession[]; next: string | null }>("GET", search(at("sessions"), { after: pageParam })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
}

export function useGroups(enabled = true) {
  return useQuery({
    queryKey: ["groups"],
    queryFn: async () => (await api.call<{ groups: Group[] }>("GET", at("groups"))).groups,
    enabled,
  });
}

export function usePermissions(enabled = true) {
  return useQuery({
    queryKey: ["permissions"],
    queryFn: async () => (await api.call<{ permissions: string[] }>("GET", at("permissions"))).permissions,
    enabled,
  });
}

export function useUserTokens(id: string) {
  return useQuery({
    queryKey: ["tokens", id],
    queryFn: async () => (await api.call<{ tokens: Token[] }>("GET", at("users", id, "tokens"))).tokens,
  });
}

/** Undefined or "" is any. Times are those of RFC 3339. */
export interface EventFilter extends Record<string, string | undefined> {
  user?: string | undefined;
  event?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export function lookAtEvents(filter: EventFilter, after = "") {
  return api.call<{ events: AuditEvent[]; next: string | null }>("GET", search(at("audit"), { ...filter, after }));
}

export function useEvents(filter: EventFilter) {
  return useInfiniteQuery({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam }) => lookAtEvents(filter, pageParam),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

/** Where the browser gets all events that fit as a file. */
export function exportOf(filter: EventFilter, format: "csv" | "ndjson"): string {
  return search(at("audit", "export"), { format, ...filter });
}

/**
 * What an administrator does. Afterwards nothing that was shown counts as true any more, and the deed is done when what is on
 * the screen has been asked for anew. "gone" is for deeds that may take away what asks for them: those are done at once.
 */
export function useDeed<In, Out>(deed: (input: In) => Promise<Out>, after?: "gone") {
  const client = useQueryClient();
  const forget = async () => {
    client.removeQueries({ type: "inactive" });
    const asked = client.invalidateQueries();
    if (after !== "gone") await asked;
  };
  return useMutation({ mutationFn: deed, onSuccess: forget });
}

export const deeds = {
  createUser: (user: UserChange & { password?: string }) => api.call<AdminUser>("POST", at("users"), user),
  changeUser: ({ id, change }: { id: string; change: UserChange }) => api.call<AdminUser>("PATCH", at("users", id), change),
  deleteUser: (id: string) => api.call<object>("DELETE", at("users", id)),
  disableUser: (id: string) => api.call<AdminUser>("POST", at("users", id, "disable")),
  enableUser: (id: string) => api.call<AdminUser>("POST", at("users", id, "enable")),
  resetLink: (id: string) => api.call<ResetLink>("POST", at("users", id, "reset")),
  endEverything: (id: string) => api.call<object>("POST", at("users", id, "end")),
  endToken: (id: string) => api.call<object>("DELETE", at("tokens", id)),
  endSession: (id: string) => api.call<object>("DELETE", at("sessions", id)),
  createGroup: (group: Group) => api.call<Group>("POST", at("groups"), group),
  changeGroup: ({ name, permissions }: Group) => api.call<Group>("PATCH", at("groups", name), { permissions }),
  deleteGroup: (name: string) => api.call<object>("DELETE", at("groups", name)),
};

/** The address of a page of the administration. */
export function home(path: string): string {
  return `/auth/admin/${path}`;
}
