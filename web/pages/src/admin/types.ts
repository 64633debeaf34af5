// The JSON types of the administration's routes. A test of the client compares them with internal/httpapi/openapi.yaml.

import type { Session, User } from "@cloakroom/client";

export interface AdminUser extends User {
  is_active: boolean;
  has_password: boolean;
  direct_permissions: string[];
  private_extra?: Record<string, unknown>;
}

export type UserChange = Partial<
  Pick<AdminUser, "username" | "email" | "first_name" | "last_name" | "is_staff" | "is_superuser" | "groups" | "direct_permissions" | "extra" | "private_extra"> &
    MembershipChange
>;

/** What is added to a user's groups and direct permissions, and removed from them. The others stay as they are. */
export interface MembershipChange {
  join: string[];
  leave: string[];
  grant: string[];
  revoke: string[];
}

/** What has become of one of many users who were to be disabled. `detail` says why the user is as before. */
export interface DisabledUser {
  id: number | string;
  outcome: "disabled" | "already_disabled" | "not_found" | "permission_denied";
  detail?: string;
}

export interface AdminSession extends Session {
  user_id: number | string;
  username: string;
}

export interface Group {
  name: string;
  permissions: string[];
}

/** The permissions that a group gets and loses. The others stay as they are. */
export interface GroupChange {
  name: string;
  grant: string[];
  revoke: string[];
}

export interface Invitation {
  id: string;
  email: string;
  groups: string[];
  language: string;
  /** The inviter got the link. */
  printed: boolean;
  /** null: the operator. */
  inviter_id: number | string | null;
  /** "" for the operator and for a deleted user. */
  inviter: string;
  created_at: string;
  expires_at: string;
}

export interface IssuedInvitation extends Invitation {
  /** Of a printed one. */
  link?: string;
}

/** What stays of an account that is taken back. */
export interface Compromised {
  keep_factors: boolean;
}

export interface ResetLink {
  link: string;
  expires_at: string;
}

export interface AuditEvent {
  id: string;
  time: string;
  /** A name from OWASP's Logging Vocabulary. */
  event: string;
  /** `attempt`: an administrator is about to do it; the outcome follows with the same `request_id`. */
  outcome: "success" | "failure" | "attempt";
  actor_id: number | string | null;
  /** "" for a deleted user, as in `user`. An actor without an ID may have a name, such as the command line. */
  actor: string;
  user_id: number | string | null;
  user: string;
  login: string;
  session: string;
  ip: string;
  user_agent: string;
  request_id: string;
  detail: Record<string, string>;
}
