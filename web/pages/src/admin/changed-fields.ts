import type { AdminUser, UserChange } from "./types.ts";

/**
 * Returns the fields that differ from the user's, and of groups and permissions those that were added and removed. Only they are sent, so
 * that a save doesn't undo another administrator's.
 */
export function changedFields(next: UserChange, user: AdminUser | undefined): UserChange {
  const before: UserChange = user ?? { is_staff: false, is_superuser: false, groups: [], direct_permissions: [] };
  const change: UserChange = Object.fromEntries(Object.entries(next).filter(([name, value]) => !same(value, before[name as keyof UserChange])));
  if (!user) return change;
  const { groups, direct_permissions, ...rest } = change;
  const [join, leave] = difference(user.groups, groups);
  const [grant, revoke] = difference(user.direct_permissions, direct_permissions);
  return { ...rest, ...(groups && { join, leave }), ...(direct_permissions && { grant, revoke }) };
}

/** What was added to a list, and what was removed. Neither, if there is no new list. */
export function difference(before: readonly string[], after: readonly string[] = before): [added: string[], removed: string[]] {
  return [after.filter((one) => !before.includes(one)), before.filter((one) => !after.includes(one))];
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}
