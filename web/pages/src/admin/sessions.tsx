import { useRef, useState } from "react";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { texts } from "../texts.ts";
import { Loaded } from "./loaded.tsx";
import { useSessions } from "./queries.ts";
import { SessionTable } from "./session-table.tsx";

const t = texts.admin.sessions;

/** All sessions. */
export function Sessions({ me }: { me: User }) {
  const sessions = useSessions();
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  return (
    <>
      <div className="heading-row">
        <Heading page={t.heading} ref={heading}>{t.heading}</Heading>
        <Button disabled={sessions.isFetching} onClick={() => void sessions.refetch()}>{t.refresh}</Button>
      </div>
      {done && <Notice tone="good">{done}</Notice>}
      <Loaded query={sessions}>
        {({ pages }) => <SessionTable me={me} named sessions={pages.flatMap((page) => page.sessions)} onEnded={(message) => {
          setDone(message);
          heading.current?.focus(); // the button that had the focus was removed
        }} />}
      </Loaded>
      {sessions.hasNextPage && (
        <Button disabled={sessions.isFetchingNextPage} onClick={() => void sessions.fetchNextPage()}>{texts.admin.more}</Button>
      )}
    </>
  );
}
