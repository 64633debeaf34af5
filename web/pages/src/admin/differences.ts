import type { AdminUser, UserChange } from "./types.ts";

/** Only what was changed is sent, so that nobody undoes what another has just done. */
export function differences(next: UserChange, user: AdminUser | undefined): UserChange {
  const had: UserChange = user ?? { is_staff: false, is_superuser: false, groups: [], direct_permissions: [] };
  const same = (a: unknown, b: unknown) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
  return Object.fromEntries(Object.entries(next).filter(([name, value]) => !same(value, had[name as keyof UserChange])));
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}
