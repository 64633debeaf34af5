import { useDeferredValue, useRef, useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { said } from "../catalogue.ts";
import { formatFull, timeAgo } from "../dates.ts";
import { Button } from "../parts/button.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { SearchField, Select } from "../parts/field.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { useMethods } from "../use-methods.ts";
import { Loaded, MutationProblem } from "./loaded.tsx";
import { adminPath, mutations, useAdminMutation, useGroups, useUsers } from "./queries.ts";
import type { AdminUser, DisabledUser } from "./types.ts";
import { useFlash } from "./use-flash.ts";
import { useUrlFilter } from "./use-url-filter.ts";

const t = texts.admin.users;

export function Users({ me }: { me: User }) {
  const [filter, setFilter] = useUrlFilter();
  const [search, setSearch] = useState(filter.get("search") ?? "");
  const group = filter.get("group") ?? "";
  const [done, setDone] = useFlash();
  const [refused, setRefused] = useState<readonly string[]>([]);
  const top = useRef<HTMLHeadingElement>(null);
  const signup = useMethods()?.signup;
  const groups = useGroups(hasPermission(me, "auth.view_group"));
  const users = useUsers({ search: useDeferredValue(search), group });
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading} ref={top}>{t.heading}</Heading>
        {signup !== undefined && signup !== "closed" && <Link to={adminPath("users/invitations")}>{t.invitations}</Link>}
        {hasPermission(me, "auth.add_user") && <Link className="button button-main" to={adminPath("users/new")}>{t.add}</Link>}
      </div>
      {done && <Notice tone="good">{done}</Notice>}
      {refused.length > 0 && <Notice tone="bad">{refused.map((sentence) => <p key={sentence}>{sentence}</p>)}</Notice>}
      <div className="filters" role="search">
        <SearchField label={t.search} value={search} onChange={(value) => {
          setSearch(value);
          setFilter("search")(value);
        }} />
        {groups.data && groups.data.length > 0 && (
          <Select name="group" label={t.group} value={group} onChange={setFilter("group")}
            options={[["", t.anyGroup], ...groups.data.map(({ name }) => [name, name] as const)]} />
        )}
      </div>
      <Loaded query={users}>
        {({ pages }) => <List me={me} users={pages.flatMap((page) => page.users)} filtered={!!search || !!group} onDisabled={(done, refused) => {
          setDone(done);
          setRefused(refused);
          top.current?.focus(); // the button that had the focus was removed
        }} />}
      </Loaded>
      {users.hasNextPage && (
        <Button disabled={users.isFetchingNextPage} onClick={() => void users.fetchNextPage()}>
          {users.isFetchingNextPage ? texts.checking : texts.admin.more}
        </Button>
      )}
    </>
  );
}

interface ListProps {
  me: User;
  users: readonly AdminUser[];
  filtered: boolean;
  /** Gets a sentence that says what was done, and others that say what wasn't. */
  onDisabled: (done: string, refused: readonly string[]) => void;
}

function List({ me, users, filtered, onDisabled }: ListProps) {
  const [chosen, setChosen] = useState<ReadonlySet<AdminUser["id"]>>(new Set());
  if (users.length === 0) return <p className="empty" role="status">{filtered ? t.noneFound : t.none}</p>;
  const selectable = hasPermission(me, "auth.change_user") ? users.filter((user) => user.is_active && user.id !== me.id) : [];
  const selected = selectable.filter((user) => chosen.has(user.id));
  const choose = (some: readonly AdminUser[], chosen: boolean) => setChosen((before) => {
    const after = new Set(before);
    for (const { id } of some) {
      if (chosen) after.add(id);
      else after.delete(id);
    }
    return after;
  });
  return (
    <>
      {selectable.length > 0 && (
        <Selection selected={selected} all={selected.length === selectable.length} onAll={(all) => choose(selectable, all)} onDisabled={(done, refused) => {
          setChosen(new Set());
          onDisabled(done, refused);
        }} />
      )}
      <table>
        <caption className="visually-hidden">{t.heading}</caption>
        <thead>
          <tr>
            {selectable.length > 0 && <td className="select" />}
            <th scope="col">{t.name}</th><th scope="col">{t.email}</th><th scope="col">{t.roles}</th><th scope="col">{t.lastLogin}</th>
          </tr>
        </thead>
        <tbody>
          {users.map((user) => (
            <tr key={user.id}>
              {selectable.length > 0 && (
                <td className="select">
                  {selectable.includes(user) && (
                    <label className="tick">
                      <input type="checkbox" aria-label={t.select(user.username)} checked={chosen.has(user.id)}
                        onChange={(event) => choose([user], event.currentTarget.checked)} />
                    </label>
                  )}
                </td>
              )}
              <th scope="row">
                <Link to={adminPath(`users/${user.id}`)}>{user.username}</Link>
                <span className="muted">{[user.first_name, user.last_name].filter(Boolean).join(" ")}</span>
              </th>
              <td data-label={t.email}>{user.email || "–"}</td>
              <td data-label={t.roles}><UserBadges user={user} /></td>
              <td data-label={t.lastLogin}>
                {user.last_login
                  ? <time dateTime={user.last_login} title={formatFull(user.last_login)}>{timeAgo(user.last_login, Date.now()) ?? texts.devices.justNow}</time>
                  : t.never}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

interface SelectionProps {
  selected: readonly AdminUser[];
  /** Whether all that can be selected are. */
  all: boolean;
  onAll: (all: boolean) => void;
  onDisabled: ListProps["onDisabled"];
}

/** What can be done to the selected users. */
function Selection({ selected, all, onAll, onDisabled }: SelectionProps) {
  const disable = useAdminMutation(mutations.disableUsers, "parts");
  const onSuccess = (result: readonly DisabledUser[]) => {
    const names = new Map(selected.map((user) => [user.id, user.username]));
    const refused = result.filter(({ detail }) => detail !== undefined)
      .map(({ id, detail = "" }) => t.notDisabled(names.get(id) ?? String(id), said(detail)));
    const done = result.length - refused.length;
    onDisabled(done > 0 ? t.disabledMany(done) : "", refused);
  };
  return (
    <>
      <MutationProblem error={disable.error} />
      <div className="selection" role="group" aria-label={t.disableSelected}>
        <label className="tick">
          <input type="checkbox" checked={all} ref={(box) => {
            if (box) box.indeterminate = !all && selected.length > 0;
          }} onChange={(event) => onAll(event.currentTarget.checked)} />
          <span>{t.selectAll}</span>
        </label>
        <span className="muted" role="status">{selected.length > 0 && t.selected(selected.length)}</span>
        {selected.length > 0 && (
          <Confirm question={t.disableSure(selected.length)} yes={t.disableYes} no={texts.admin.user.no} sending={disable.isPending}
            onYes={() => disable.mutate(selected.map(({ id }) => id), { onSuccess })}>{t.disableSelected}</Confirm>
        )}
      </div>
    </>
  );
}

/** A user's state, role and groups. */
export function UserBadges({ user }: { user: AdminUser }) {
  const role = user.is_superuser ? texts.account.superuser : user.is_staff ? texts.account.staff : "";
  return (
    <span className="badges">
      {!user.is_active && <span className="badge badge-bad">{t.disabled}</span>}
      {[role, ...user.groups].filter(Boolean).map((name) => <span key={name} className="badge">{name}</span>)}
    </span>
  );
}
