import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Heading } from "../parts/layout.tsx";
import { texts } from "../texts.ts";
import { Loaded } from "./loaded.tsx";
import { useSessions } from "./queries.ts";
import { SessionTable } from "./session-table.tsx";

const t = texts.admin.sessions;

/** All sessions. */
export function Sessions({ me }: { me: User }) {
  const sessions = useSessions();
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading}>{t.heading}</Heading>
        <Button disabled={sessions.isFetching} onClick={() => void sessions.refetch()}>{t.refresh}</Button>
      </div>
      <Loaded query={sessions}>
        {({ pages }) => <SessionTable me={me} named sessions={pages.flatMap((page) => page.sessions)} />}
      </Loaded>
      {sessions.hasNextPage && (
        <Button disabled={sessions.isFetchingNextPage} onClick={() => void sessions.fetchNextPage()}>{texts.admin.more}</Button>
      )}
    </>
  );
}
