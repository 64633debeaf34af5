import { useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { formatFull, timeAgo } from "../dates.ts";
import { Confirm } from "../parts/confirm.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { describeUserAgent } from "../user-agent.ts";
import { MutationProblem } from "./loaded.tsx";
import { adminPath, mutations, useAdminMutation } from "./queries.ts";
import type { AdminSession } from "./types.ts";

const t = texts.admin.sessions;

interface SessionTableProps {
  me: User;
  sessions: readonly AdminSession[];
  /** Whether to show the user of each session. */
  named?: boolean;
  /** Gets a sentence that says what was done. */
  onEnded: (message: string) => void;
}

export function SessionTable({ me, sessions, named = false, onEnded }: SessionTableProps) {
  const [target, setTarget] = useState("");
  const end = useAdminMutation(mutations.endSession, "gone");
  return (
    <>
      <MutationProblem error={end.error} />
      <table>
        <caption className="visually-hidden">{t.heading}</caption>
        <thead>
          <tr>
            {named && <th scope="col">{t.user}</th>}
            <th scope="col">{t.device}</th>
            <th scope="col">{texts.devices.address}</th>
            <th scope="col">{texts.devices.lastUsed}</th>
            <th scope="col"><span className="visually-hidden">{texts.devices.end}</span></th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => {
            const known = describeUserAgent(session.user_agent);
            const device = known ?? (session.user_agent || texts.devices.unknown);
            return (
              <tr key={session.id}>
                {named && <th scope="row"><Link to={adminPath(`users/${session.user_id}`)}>{session.username}</Link></th>}
                <td data-label={t.device} title={session.user_agent}>
                  <span>{known ?? texts.devices.unknown} {session.current && <span className="badge">{texts.devices.thisDevice}</span>} {session.bound && <span className="badge" title={texts.devices.boundMeans}>{texts.devices.bound}</span>}</span>
                  {!known && session.user_agent && <span className="agent">{session.user_agent}</span>}
                </td>
                <td data-label={texts.devices.address} className="address">{session.ip || "–"}</td>
                <td data-label={texts.devices.lastUsed}>
                  <time dateTime={session.last_seen_at} title={formatFull(session.last_seen_at)}>
                    {timeAgo(session.last_seen_at, Date.now()) ?? texts.devices.justNow}
                  </time>
                </td>
                <td>
                  {hasPermission(me, "sessions.delete_session") && !session.current && (
                    <Confirm label={t.endNamed(device, session.username)} question={texts.devices.endSure} yes={texts.devices.endYes} no={texts.devices.endNo}
                      sending={end.isPending && target === session.id} waiting={end.isPending && target !== session.id}
                      onYes={() => {
                        setTarget(session.id);
                        end.mutate(session.id, { onSuccess: () => onEnded(texts.devices.ended(device)) });
                      }}>{texts.devices.end}</Confirm>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}
