import { useState } from "react";
import type { Token, User } from "../api.ts";
import { Sure } from "../parts/sure.tsx";
import { may } from "../rights.ts";
import { texts } from "../texts.ts";
import { ago, day, exactly } from "../when.ts";
import { deeds, useDeed } from "./data.ts";
import { DeedProblem } from "./loaded.tsx";

const t = texts.tokens;

/** The tokens of one user. */
export function TokenTable({ me, tokens, onEnded }: { me: User; tokens: readonly Token[]; onEnded: (said: string) => void }) {
  const [target, setTarget] = useState("");
  const end = useDeed(deeds.endToken, "gone");
  return (
    <>
      <DeedProblem error={end.error} />
      <table>
        <caption className="for-readers">{t.heading}</caption>
        <thead>
          <tr>
            <th scope="col">{t.name}</th>
            <th scope="col">{t.used}</th>
            <th scope="col">{t.ends}</th>
            <th scope="col"><span className="for-readers">{t.end}</span></th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => {
            const name = token.name || t.kinds[token.kind];
            return (
              <tr key={token.id}>
                <th scope="row">
                  {name}
                  <span className="who-more">
                    {[t.kinds[token.kind], ...token.scopes].join(" · ")}
                  </span>
                </th>
                <td data-label={t.used}>
                  {token.last_used_at
                    ? <time dateTime={token.last_used_at} title={exactly(token.last_used_at)}>{ago(token.last_used_at, Date.now()) ?? t.justNow}</time>
                    : t.never}
                </td>
                <td data-label={t.ends}>{token.expires_at ? day(token.expires_at) : t.never}</td>
                <td>
                  {may(me, "authtoken.delete_token") && (
                    <Sure label={t.endNamed(name)} question={t.endSure} yes={t.endYes} no={t.endNo} sending={end.isPending && target === token.id}
                      onYes={() => {
                        setTarget(token.id);
                        end.mutate(token.id, { onSuccess: () => onEnded(t.ended(name)) });
                      }}>{t.end}</Sure>
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
