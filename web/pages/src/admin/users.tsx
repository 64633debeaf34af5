import { useDeferredValue, useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Choice, Search } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { Heading } from "../parts/shell.tsx";
import { may } from "../rights.ts";
import { texts } from "../texts.ts";
import { ago, exactly } from "../when.ts";
import { useArrived } from "./arrived.ts";
import { home, useGroups, useUsers } from "./data.ts";
import { useKept } from "./kept.ts";
import { Loaded } from "./loaded.tsx";
import type { AdminUser } from "./types.ts";

const t = texts.admin.users;

export function Users({ me }: { me: User }) {
  const [kept, keep] = useKept();
  const [search, setSearch] = useState(kept.get("search") ?? "");
  const group = kept.get("group") ?? "";
  const [done] = useArrived();
  const groups = useGroups(may(me, "auth.view_group"));
  const users = useUsers({ search: useDeferredValue(search), group });
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading}>{t.heading}</Heading>
        {may(me, "auth.add_user") && <Link className="button button-main" to={home("users/new")}>{t.add}</Link>}
      </div>
      {done && <Notice tone="good">{done}</Notice>}
      <div className="filters" role="search">
        <Search label={t.search} value={search} onChange={(value) => {
          setSearch(value);
          keep("search")(value);
        }} />
        {groups.data && groups.data.length > 0 && (
          <Choice name="group" label={t.group} value={group} onChange={keep("group")}
            options={[["", t.anyGroup], ...groups.data.map(({ name }) => [name, name] as const)]} />
        )}
      </div>
      <Loaded query={users}>
        {({ pages }) => <List users={pages.flatMap((page) => page.users)} filtered={!!search || !!group} />}
      </Loaded>
      {users.hasNextPage && (
        <Button off={users.isFetchingNextPage} onClick={() => void users.fetchNextPage()}>
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
      <caption className="for-readers">{t.heading}</caption>
      <thead>
        <tr><th scope="col">{t.name}</th><th scope="col">{t.email}</th><th scope="col">{t.rights}</th><th scope="col">{t.lastLogin}</th></tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <tr key={user.id}>
            <th scope="row">
              <Link to={home(`users/${user.id}`)}>{user.username}</Link>
              <span className="who-more">{[user.first_name, user.last_name].filter(Boolean).join(" ")}</span>
            </th>
            <td data-label={t.email}>{user.email || "–"}</td>
            <td data-label={t.rights}><Rights user={user} /></td>
            <td data-label={t.lastLogin}>
              {user.last_login
                ? <time dateTime={user.last_login} title={exactly(user.last_login)}>{ago(user.last_login, Date.now()) ?? texts.devices.justNow}</time>
                : t.never}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What a user is, beyond being one. */
export function Rights({ user }: { user: AdminUser }) {
  const role = user.is_superuser ? texts.account.superuser : user.is_staff ? texts.account.staff : "";
  return (
    <span className="badges">
      {!user.is_active && <span className="badge badge-bad">{t.disabled}</span>}
      {[role, ...user.groups].filter(Boolean).map((name) => <span key={name} className="badge">{name}</span>)}
    </span>
  );
}
