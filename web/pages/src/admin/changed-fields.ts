import type { AdminUser, UserChange } from "./types.ts";

/** Returns the fields that differ from the user's. Only they are sent, so that a save doesn't undo another administrator's. */
export function changedFields(next: UserChange, user: AdminUser | undefined): UserChange {
  const before: UserChange = user ?? { is_staff: false, is_superuser: false, groups: [], direct_permissions: [] };
  const same = (a: unknown, b: unknown) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
  return Object.fromEntries(Object.entries(next).filter(([name, value]) => !same(value, before[name as keyof UserChange])));
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}
