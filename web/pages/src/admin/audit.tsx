import { Link } from "react-router";
import { useAction } from "../action.ts";
import { describeAgent } from "../agent.ts";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Choice, Day } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { Heading } from "../parts/shell.tsx";
import { may } from "../rights.ts";
import { texts } from "../texts.ts";
import { exactly, moment, startOf } from "../when.ts";
import { exportOf, home, lookAtEvents, useEvents, type EventFilter } from "./data.ts";
import { useKept } from "./kept.ts";
import { DeedProblem, Loaded } from "./loaded.tsx";
import type { AuditEvent } from "./types.ts";

const t = texts.admin.audit;
const names = Object.entries(t.events).sort(([, a], [, b]) => a.localeCompare(b));

/** What happened, narrowed by what the address says. */
export function Audit({ me }: { me: User }) {
  const [kept, keep] = useKept();
  const [user, event, from, to] = ["user", "event", "from", "to"].map((name) => kept.get(name) ?? "") as [string, string, string, string];
  const filter: EventFilter = { user, event, from: startOf(from), to: startOf(to, 1) };
  const events = useEvents(filter);
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading}>{t.heading}</Heading>
        <div className="row">
          <Export filter={filter} />
          <Button off={events.isFetching} onClick={() => void events.refetch()}>{t.refresh}</Button>
        </div>
      </div>
      <p className="who-more">{t.intro}</p>
      <div className="filters filters-wide" role="search">
        <Choice name="event" label={t.event} value={event} onChange={keep("event")} options={[["", t.anyEvent], ...names]} />
        <Day label={t.from} value={from} onChange={keep("from")} />
        <Day label={t.to} value={to} onChange={keep("to")} />
      </div>
      {user && (
        <Notice tone="plain">
          <p>{t.only(namesOf(events.data?.pages.flatMap((page) => page.events) ?? []).get(user) ?? t.onlyUser)}</p>
          <div className="row">
            <Button onClick={() => keep("user")("")}>{t.everybody}</Button>
            {may(me, "auth.view_user") && <Link to={home(`users/${user}`)}>{t.toUser}</Link>}
          </div>
        </Notice>
      )}
      <Loaded query={events}>
        {({ pages }) => <List events={pages.flatMap((page) => page.events)} filtered={!!(user || event || from || to)} onUser={keep("user")} />}
      </Loaded>
      {events.hasNextPage && (
        <Button off={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()}>
          {events.isFetchingNextPage ? texts.checking : texts.admin.more}
        </Button>
      )}
    </>
  );
}

/** What those are called who are gone, as far as other events still say it. */
function namesOf(events: readonly AuditEvent[]): ReadonlyMap<string, string> {
  return new Map(events.filter(({ user_id, user, login }) => user_id !== null && (user || login)).map((one) => [String(one.user_id), one.user || one.login]));
}

interface ListProps {
  events: readonly AuditEvent[];
  filtered: boolean;
  onUser: (id: string) => void;
}

function List({ events, filtered, onUser }: ListProps) {
  if (events.length === 0) return <p className="empty" role="status">{filtered ? t.noneFound : t.none}</p>;
  const named = namesOf(events);
  const who = (id: number | string | null, name: string, typed = "") =>
    id === null ? typed || t.nobody : <Whom id={String(id)} name={name} once={typed || named.get(String(id))} onUser={onUser} />;
  return (
    <table>
      <caption className="for-readers">{t.heading}</caption>
      <thead>
        <tr>
          <th scope="col">{t.when}</th><th scope="col">{t.what}</th><th scope="col">{t.who}</th><th scope="col">{t.about}</th><th scope="col">{t.address}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((one) => (
          <tr key={one.id}>
            <td data-label={t.when}><time dateTime={one.time} title={exactly(one.time)}>{moment(one.time)}</time></td>
            <th scope="row">
              {Object.hasOwn(t.events, one.event) ? t.events[one.event] : one.event}
              {one.outcome === "failure" && <> <span className="badge badge-bad">{t.failure}</span></>}
              {one.outcome === "attempt" && <> <span className="badge">{t.attempt}</span></>}
              <More of={one} />
            </th>
            <td data-label={t.who}>{who(one.actor_id, one.actor, one.actor_id === null ? one.actor : "")}</td>
            <td data-label={t.about}>{who(one.user_id, one.user, one.login)}</td>
            <td data-label={t.address} className="address">{one.ip || t.nobody}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function More({ of }: { of: AuditEvent }) {
  const facts = [
    [t.name, of.event],
    [t.login, of.login],
    [t.browser, of.user_agent && (describeAgent(of.user_agent) ?? of.user_agent)],
    [t.session, of.session],
    [t.request, of.request_id],
    ...Object.entries(of.detail),
  ].filter((fact): fact is [string, string] => !!fact[1]);
  return (
    <details className="who-more">
      <summary>{t.more}</summary>
      <dl className="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </details>
  );
}

interface WhomProps {
  id: string;
  name: string;
  /** What somebody was called who is gone. */
  once: string | undefined;
  onUser: (id: string) => void;
}

/** A user of an event, as a way to all events of that user. */
function Whom({ id, name, once, onUser }: WhomProps) {
  const shown = name || t.gone(once ?? t.user(id));
  return <Button look="link" label={t.onlyNamed(shown)} onClick={() => onUser(id)}>{shown}</Button>;
}

/** The browser fetches the file by itself, so the list is asked for first: that asks for the password where it must be. */
function Export({ filter }: { filter: EventFilter }) {
  const fetchFile = useAction(async (format: "csv" | "ndjson") => {
    await lookAtEvents(filter);
    const link = document.createElement("a");
    link.href = exportOf(filter, format);
    link.download = "";
    link.click();
  });
  return (
    <>
      <DeedProblem error={fetchFile.error ?? null} />
      <Button off={fetchFile.sending} onClick={() => void fetchFile.run("csv")}>{t.exportCSV}</Button>
      <Button off={fetchFile.sending} onClick={() => void fetchFile.run("ndjson")}>{t.exportJSON}</Button>
    </>
  );
}
