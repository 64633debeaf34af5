import type { ReactNode } from "react";
import type { AuthError, User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Checkbox, Field } from "../parts/field.tsx";
import { Form } from "../parts/form.tsx";
import { Picker } from "../parts/picker.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { changedFields } from "./changed-fields.ts";
import { MutationProblem } from "./loaded.tsx";
import { useGroups, usePermissions } from "./queries.ts";
import type { AdminUser, UserChange } from "./types.ts";

const t = texts.admin.user;
const fields = ["username", "email", "first_name", "last_name", "direct_permissions", "groups", "password"];

interface UserFormProps {
  me: User;
  /** The user to change; undefined for a new one. */
  user?: AdminUser;
  error: AuthError | null;
  sending: boolean;
  submit: string;
  onSend: (change: UserChange, field: (name: string) => string) => void;
  children?: ReactNode;
}

/** The form for a user's fields. `onSend` gets only the fields that were changed. */
export function UserForm({ me, user, error, sending, submit, onSend, children }: UserFormProps) {
  const groups = useGroups(hasPermission(me, "auth.view_group"));
  const permissions = usePermissions(hasPermission(me, "auth.view_group"));
  const errors = error?.errors ?? {};
  const send = (field: (name: string) => string, all: (name: string) => string[]) =>
    onSend(changedFields(read(field, all, { groups: !!groups.data, roles: me.is_superuser }), user), field);
  return (
    <Form error={error ?? undefined} sending={sending} onSend={send}>
      <MutationProblem error={error} fields={fields} />
      <Field name="username" label={texts.field.username} autoComplete="off" defaultValue={user?.username} errors={errors["username"]} />
      <Field name="email" inputMode="email" label={texts.field.email} note={texts.field.optional} required={false} autoComplete="off"
        defaultValue={user?.email} errors={errors["email"]} />
      <div className="two">
        <Field name="first_name" label={t.firstName} note={texts.field.optional} required={false} autoComplete="off"
          defaultValue={user?.first_name} errors={errors["first_name"]} />
        <Field name="last_name" label={t.lastName} note={texts.field.optional} required={false} autoComplete="off"
          defaultValue={user?.last_name} errors={errors["last_name"]} />
      </div>
      {children}
      {groups.data && groups.data.length > 0 && (
        <Picker name="groups" label={texts.admin.groups.heading} note={texts.field.optional} options={groups.data.map(({ name }) => name)}
          initial={user?.groups ?? []} errors={errors["groups"]} />
      )}
      {me.is_superuser && (
        <fieldset>
          <legend>{t.role}</legend>
          <Checkbox name="is_staff" value="on" label={t.staff} defaultChecked={user?.is_staff} />
          <Checkbox name="is_superuser" value="on" label={t.superuser} defaultChecked={user?.is_superuser} />
        </fieldset>
      )}
      <Picker free name="direct_permissions" label={t.permissions} note={texts.field.optional} hint={t.permissionsHint}
        options={permissions.data ?? []} initial={user?.direct_permissions ?? []} errors={errors["direct_permissions"]} />
      <Button type="submit" variant="main" disabled={sending}>{sending ? texts.devices.working : submit}</Button>
    </Form>
  );
}

/** Reads the form. `shown` says which fields this administrator sees; a hidden field must not be sent as empty. */
function read(field: (name: string) => string, all: (name: string) => string[], shown: { groups: boolean; roles: boolean }): UserChange {
  return {
    username: field("username"),
    email: field("email"),
    first_name: field("first_name"),
    last_name: field("last_name"),
    direct_permissions: all("direct_permissions"),
    ...(shown.groups && { groups: all("groups") }),
    ...(shown.roles && { is_staff: all("is_staff").length > 0, is_superuser: all("is_superuser").length > 0 }),
  };
}
