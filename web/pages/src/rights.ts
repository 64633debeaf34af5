import type { User } from "./api.ts";
import { texts } from "./texts.ts";

const t = texts.admin;

/** The parts of the administration, each with the permission to see it. */
export const sections = [
  { path: "users", name: t.users.heading, permission: "auth.view_user" },
  { path: "groups", name: t.groups.heading, permission: "auth.view_group" },
  { path: "sessions", name: t.sessions.heading, permission: "sessions.view_session" },
  { path: "audit", name: t.audit.heading, permission: "admin.view_logentry" },
] as const;

/** Whether somebody may do what needs a permission. It decides what is shown; the server decides what is done. */
export function may(user: User, permission: string): boolean {
  return user.is_staff && (user.is_superuser || user.permissions.includes(permission));
}

/** The parts of the administration that somebody may see. */
export function openTo(user: User): readonly (typeof sections)[number][] {
  return sections.filter(({ permission }) => may(user, permission));
}
