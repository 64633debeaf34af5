import type { User } from "./api.ts";
import { texts } from "./texts.ts";

const t = texts.admin;

/** The sections of the administration, each with the permission that opens it. */
export const sections = [
  { path: "users", name: t.users.heading, permission: "auth.view_user" },
  { path: "groups", name: t.groups.heading, permission: "auth.view_group" },
  { path: "sessions", name: t.sessions.heading, permission: "sessions.view_session" },
  { path: "audit", name: t.audit.heading, permission: "admin.view_logentry" },
] as const;

/** Whether a user is staff with a permission. It decides only what the pages show; the server checks every request. */
export function hasPermission(user: User, permission: string): boolean {
  return user.is_staff && (user.is_superuser || user.permissions.includes(permission));
}

/** The sections of the administration that a user may see. */
export function visibleSections(user: User): readonly (typeof sections)[number][] {
  return sections.filter(({ permission }) => hasPermission(user, permission));
}
