import { useRef, useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Field } from "../parts/field.tsx";
import { Form } from "../parts/form.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { Picker } from "../parts/picker.tsx";
import { useReturnFocus } from "../parts/use-return-focus.ts";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { difference } from "./changed-fields.ts";
import { Loaded, MutationProblem } from "./loaded.tsx";
import { adminPath, mutations, useAdminMutation, useGroups, usePermissions } from "./queries.ts";
import type { Group } from "./types.ts";

const t = texts.admin.groups;

export function Groups({ me }: { me: User }) {
  const groups = useGroups();
  const [done, setDone] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const showDone = (sentence: string) => {
    setDone(sentence);
    heading.current?.focus();
  };
  return (
    <>
      <Heading page={t.heading} ref={heading}>{t.heading}</Heading>
      <p className="muted">{t.intro}</p>
      {done && <Notice tone="good">{done}</Notice>}
      <Loaded query={groups}>
        {(list) => list.length > 0
          ? list.map((group) => <OneGroup key={group.name} me={me} group={group} onDone={showDone} />)
          : <p className="empty" role="status">{t.none}</p>}
      </Loaded>
      {hasPermission(me, "auth.add_group") && <NewGroup onDone={showDone} />}
    </>
  );
}

function OneGroup({ me, group, onDone }: { me: User; group: Group; onDone: (message: string) => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // The permissions that the form begins with. What was picked is compared with them, whatever is loaded meanwhile.
  const [before, setBefore] = useState<readonly string[]>();
  const edit = (from: readonly string[] | undefined) => {
    setBefore(from);
    change.reset();
    if (from) heading.current?.focus(); // the button that had the focus is removed
  };
  const opener = useReturnFocus(before !== undefined);
  const change = useAdminMutation(mutations.changeGroup);
  const remove = useAdminMutation(mutations.deleteGroup, "gone");
  const { name, permissions } = group;
  return (
    <section className="panel" aria-label={name}>
      <div className="heading-row">
        <h2 ref={heading} tabIndex={-1}>{name}</h2>
        {hasPermission(me, "auth.view_user") && <Link to={`${adminPath("users")}?group=${encodeURIComponent(name)}`}>{t.members}<span className="visually-hidden"> {name}</span></Link>}
      </div>
      <MutationProblem error={change.error ?? remove.error} fields={["permissions"]} />
      {before ? (
        <Form error={change.error ?? undefined} sending={change.isPending} onSend={(_, all) => {
          const [grant, revoke] = difference(before, all("permissions"));
          change.mutate({ name, grant, revoke }, {
            onSuccess: () => {
              setBefore(undefined);
              onDone(t.changed(name));
            },
          });
        }}>
          <Permissions initial={before} errors={change.error?.errors["permissions"]} />
          <div className="row">
            <Button type="submit" variant="main" disabled={change.isPending}>{texts.admin.user.save}</Button>
            <Button disabled={change.isPending} onClick={() => edit(undefined)}>{texts.confirmIdentity.cancel}</Button>
          </div>
        </Form>
      ) : (
        <>
          {permissions.length > 0
            ? <ul className="badges">{permissions.map((permission) => <li key={permission} className="badge">{permission}</li>)}</ul>
            : <p className="empty">{t.noPermissions}</p>}
          <div className="row">
            {hasPermission(me, "auth.change_group") && <Button ref={opener} label={t.changeNamed(name)} onClick={() => edit(permissions)}>{t.change}</Button>}
            {hasPermission(me, "auth.delete_group") && (
              <Confirm label={t.deleteNamed(name)} question={t.deleteSure} yes={t.deleteYes} no={texts.admin.user.no} sending={remove.isPending}
                onYes={() => remove.mutate(name, { onSuccess: () => onDone(t.deleted(name)) })}>{t.delete}</Confirm>
            )}
          </div>
        </>
      )}
    </section>
  );
}

function NewGroup({ onDone }: { onDone: (message: string) => void }) {
  const create = useAdminMutation(mutations.createGroup);
  const [made, setMade] = useState(0); // the form's key: what was refused stays typed
  return (
    <section className="panel" aria-labelledby="new-group-heading">
      <h2 id="new-group-heading">{t.newHeading}</h2>
      <Form key={made} error={create.error ?? undefined} sending={create.isPending} onSend={(field, all) =>
        create.mutate({ name: field("name"), permissions: all("permissions") }, {
          onSuccess: ({ name }) => {
            setMade(made + 1);
            onDone(t.created(name));
          },
        })}>
        <MutationProblem error={create.error} fields={["name", "permissions"]} />
        <Field name="name" label={t.name} autoComplete="off" errors={create.error?.errors["name"]} />
        <Permissions initial={[]} errors={create.error?.errors["permissions"]} />
        <Button type="submit" variant="main" disabled={create.isPending}>{t.create}</Button>
      </Form>
    </section>
  );
}

function Permissions({ initial, errors }: { initial: readonly string[]; errors: readonly string[] | undefined }) {
  const known = usePermissions();
  return (
    <Picker free name="permissions" label={t.permissions} note={texts.field.optional} hint={texts.admin.user.permissionsHint}
      options={known.data ?? []} initial={initial} errors={errors} />
  );
}
