import { useState } from "react";
import { Link } from "react-router";
import { describeAgent } from "../agent.ts";
import type { User } from "../api.ts";
import { Sure } from "../parts/sure.tsx";
import { may } from "../rights.ts";
import { texts } from "../texts.ts";
import { ago, exactly } from "../when.ts";
import { deeds, home, useDeed } from "./data.ts";
import { DeedProblem } from "./loaded.tsx";
import type { AdminSession } from "./types.ts";

const t = texts.admin.sessions;

interface SessionTableProps {
  me: User;
  sessions: readonly AdminSession[];
  /** Whether to say whose each is. */
  named?: boolean;
}

export function SessionTable({ me, sessions, named = false }: SessionTableProps) {
  const [target, setTarget] = useState("");
  const end = useDeed(deeds.endSession, "gone");
  return (
    <>
      <DeedProblem error={end.error} />
      <table>
        <caption className="for-readers">{t.heading}</caption>
        <thead>
          <tr>
            {named && <th scope="col">{t.who}</th>}
            <th scope="col">{t.device}</th>
            <th scope="col">{texts.devices.address}</th>
            <th scope="col">{texts.devices.lastUsed}</th>
            <th scope="col"><span className="for-readers">{texts.devices.end}</span></th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => {
            const known = describeAgent(session.user_agent);
            const device = known ?? (session.user_agent || texts.devices.unknown);
            return (
              <tr key={session.id}>
                {named && <th scope="row"><Link to={home(`users/${session.user_id}`)}>{session.username}</Link></th>}
                <td data-label={t.device} title={session.user_agent}>
                  <span>{known ?? texts.devices.unknown} {session.current && <span className="badge">{texts.devices.thisDevice}</span>}</span>
                  {!known && session.user_agent && <span className="agent">{session.user_agent}</span>}
                </td>
                <td data-label={texts.devices.address} className="address">{session.ip || "–"}</td>
                <td data-label={texts.devices.lastUsed}>
                  <time dateTime={session.last_seen_at} title={exactly(session.last_seen_at)}>
                    {ago(session.last_seen_at, Date.now()) ?? texts.devices.justNow}
                  </time>
                </td>
                <td>
                  {may(me, "sessions.delete_session") && !session.current && (
                    <Sure label={t.endNamed(device, session.username)} question={texts.devices.endSure} yes={texts.devices.endYes} no={texts.devices.endNo}
                      sending={end.isPending && target === session.id}
                      onYes={() => {
                        setTarget(session.id);
                        end.mutate(session.id);
                      }}>{texts.devices.end}</Sure>
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
