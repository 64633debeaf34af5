import { Link } from "react-router";
import type { User } from "../api.ts";
import { locale } from "../catalogue.ts";
import { formatFull, formatTime, startOfDay } from "../dates.ts";
import { Button } from "../parts/button.tsx";
import { DateField, Select } from "../parts/field.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { useAction } from "../use-action.ts";
import { describeUserAgent } from "../user-agent.ts";
import { Loaded, MutationProblem } from "./loaded.tsx";
import { adminPath, type EventFilter, exportURL, fetchEvents, useEvents } from "./queries.ts";
import type { AuditEvent } from "./types.ts";
import { useUrlFilter } from "./use-url-filter.ts";

const t = texts.admin.audit;
const eventNames = Object.entries(t.events).sort(([, a], [, b]) => a.localeCompare(b, locale));

/** The audit log, with the filters that are in the address. */
export function Audit({ me }: { me: User }) {
  const [parameters, setFilter] = useUrlFilter();
  const [user, event, from, to] = ["user", "event", "from", "to"].map((name) => parameters.get(name) ?? "") as [string, string, string, string];
  const filter: EventFilter = { user, event, from: startOfDay(from), to: startOfDay(to, 1) };
  const events = useEvents(filter);
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading}>{t.heading}</Heading>
        <div className="row">
          <Export filter={filter} />
          <Button disabled={events.isFetching} onClick={() => void events.refetch()}>{t.refresh}</Button>
        </div>
      </div>
      <p className="muted">{t.intro}</p>
      <div className="filters filters-wide" role="search">
        <Select name="event" label={t.event} value={event} onChange={setFilter("event")} options={[["", t.anyEvent], ...eventNames]} />
        <DateField label={t.from} value={from} onChange={setFilter("from")} />
        <DateField label={t.to} value={to} onChange={setFilter("to")} />
      </div>
      {user && (
        <Notice tone="plain">
          <p>{t.only(userNames(events.data?.pages.flatMap((page) => page.events) ?? []).get(user) ?? t.onlyUser)}</p>
          <div className="row">
            <Button onClick={() => setFilter("user")("")}>{t.allUsers}</Button>
            {hasPermission(me, "auth.view_user") && <Link to={adminPath(`users/${user}`)}>{t.toUser}</Link>}
          </div>
        </Notice>
      )}
      <Loaded query={events}>
        {({ pages }) => <List events={pages.flatMap((page) => page.events)} filtered={!!(user || event || from || to)} onUser={setFilter("user")} />}
      </Loaded>
      {events.hasNextPage && (
        <Button disabled={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()}>
          {events.isFetchingNextPage ? texts.checking : texts.admin.more}
        </Button>
      )}
    </>
  );
}

/** User ID → name, from the events that have both. The events of a deleted user have no name, but the login as typed may be in one. */
function userNames(events: readonly AuditEvent[]): ReadonlyMap<string, string> {
  return new Map(events.filter(({ user_id, user, login }) => user_id !== null && (user || login)).map((event) => [String(event.user_id), event.user || event.login]));
}

interface ListProps {
  events: readonly AuditEvent[];
  filtered: boolean;
  onUser: (id: string) => void;
}

function List({ events, filtered, onUser }: ListProps) {
  if (events.length === 0) return <p className="empty" role="status">{filtered ? t.noneFound : t.empty}</p>;
  const names = userNames(events);
  const person = (id: number | string | null, name: string, typed = "") =>
    id === null ? typed || t.none : <UserFilter id={String(id)} name={name} formerName={typed || names.get(String(id))} onUser={onUser} />;
  return (
    <table>
      <caption className="visually-hidden">{t.heading}</caption>
      <thead>
        <tr>
          <th scope="col">{t.when}</th><th scope="col">{t.what}</th><th scope="col">{t.actor}</th><th scope="col">{t.user}</th><th scope="col">{t.address}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr key={event.id}>
            <td data-label={t.when}><time dateTime={event.time} title={formatFull(event.time)}>{formatTime(event.time)}</time></td>
            <th scope="row">
              {Object.hasOwn(t.events, event.event) ? t.events[event.event] : event.event}
              {event.outcome === "failure" && <> <span className="badge badge-bad">{t.failure}</span></>}
              {event.outcome === "attempt" && <> <span className="badge">{t.attempt}</span></>}
              <Details event={event} />
            </th>
            <td data-label={t.actor}>{person(event.actor_id, event.actor, event.actor_id === null ? event.actor : "")}</td>
            <td data-label={t.user}>{person(event.user_id, event.user, event.login)}</td>
            <td data-label={t.address} className="address">{event.ip || t.none}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Details({ event }: { event: AuditEvent }) {
  const facts = [
    [t.name, event.event],
    [t.login, event.login],
    [t.browser, event.user_agent && (describeUserAgent(event.user_agent) ?? event.user_agent)],
    [t.session, event.session],
    [t.request, event.request_id],
    ...Object.entries(event.detail),
  ].filter((fact): fact is [string, string] => !!fact[1]);
  return (
    <details className="muted">
      <summary>{t.details}</summary>
      <dl className="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </details>
  );
}

interface UserFilterProps {
  id: string;
  /** "" for a user who was deleted. */
  name: string;
  /** The last known name of a deleted user. */
  formerName: string | undefined;
  onUser: (id: string) => void;
}

/** A user of an event, as a button that narrows the log to this user. */
function UserFilter({ id, name, formerName, onUser }: UserFilterProps) {
  const shown = name || t.deleted(formerName ?? t.unnamed(id));
  return <Button variant="link" label={t.onlyNamed(shown)} onClick={() => onUser(id)}>{shown}</Button>;
}

/**
 * The buttons that download the log. The browser fetches the file by itself and can't ask for the password, so the list is
 * requested first, which asks for it if that is needed.
 */
function Export({ filter }: { filter: EventFilter }) {
  const fetchFile = useAction(async (format: "csv" | "ndjson") => {
    await fetchEvents(filter);
    const link = document.createElement("a");
    link.href = exportURL(filter, format);
    link.download = "";
    link.click();
  });
  return (
    <>
      <MutationProblem error={fetchFile.error ?? null} />
      <Button disabled={fetchFile.sending} onClick={() => void fetchFile.run("csv")}>{t.exportCSV}</Button>
      <Button disabled={fetchFile.sending} onClick={() => void fetchFile.run("ndjson")}>{t.exportJSON}</Button>
    </>
  );
}
