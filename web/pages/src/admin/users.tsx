import { useDeferredValue, useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { formatFull, timeAgo } from "../dates.ts";
import { Button } from "../parts/button.tsx";
import { SearchField, Select } from "../parts/field.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { useMethods } from "../use-methods.ts";
import { Loaded } from "./loaded.tsx";
import { adminPath, useGroups, useUsers } from "./queries.ts";
import type { AdminUser } from "./types.ts";
import { useFlash } from "./use-flash.ts";
import { useUrlFilter } from "./use-url-filter.ts";

const t = texts.admin.users;

export function Users({ me }: { me: User }) {
  const [filter, setFilter] = useUrlFilter();
  const [search, setSearch] = useState(filter.get("search") ?? "");
  const group = filter.get("group") ?? "";
  const [done] = useFlash();
  const signup = useMethods()?.signup;
  const groups = useGroups(hasPermission(me, "auth.view_group"));
  const users = useUsers({ search: useDeferredValue(search), group });
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading}>{t.heading}</Heading>
        {signup !== undefined && signup !== "closed" && <Link to={adminPath("users/invitations")}>{t.invitations}</Link>}
        {hasPermission(me, "auth.add_user") && <Link className="button button-main" to={adminPath("users/new")}>{t.add}</Link>}
      </div>
      {done && <Notice tone="good">{done}</Notice>}
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
        {({ pages }) => <List users={pages.flatMap((page) => page.users)} filtered={!!search || !!group} />}
      </Loaded>
      {users.hasNextPage && (
        <Button disabled={users.isFetchingNextPage} onClick={() => void users.fetchNextPage()}>
          {users.isFetchingNextPage ? texts.checking : texts.admin.more}
        </Button>
      )}
    </>
  );
}

function List({ users, filtered }: { users: readonly AdminUser[]; filtered: boolean }) {
  if (users.length === 0) return <p className="empty" role="status">{filtered ? t.noneFound : t.none}</p>;
  return (
    <table>
      <caption className="visually-hidden">{t.heading}</caption>
      <thead>
        <tr><th scope="col">{t.name}</th><th scope="col">{t.email}</th><th scope="col">{t.roles}</th><th scope="col">{t.lastLogin}</th></tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <tr key={user.id}>
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
