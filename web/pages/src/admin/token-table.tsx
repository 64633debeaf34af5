import { useState } from "react";
import type { Token, User } from "../api.ts";
import { formatDay, formatFull, timeAgo } from "../dates.ts";
import { Confirm } from "../parts/confirm.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { MutationProblem } from "./loaded.tsx";
import { mutations, useAdminMutation } from "./queries.ts";

const t = texts.tokens;

/** The tokens of one user. */
export function TokenTable({ me, tokens, onRevoked }: { me: User; tokens: readonly Token[]; onRevoked: (message: string) => void }) {
  const [target, setTarget] = useState("");
  const revoke = useAdminMutation(mutations.revokeToken, "gone");
  return (
    <>
      <MutationProblem error={revoke.error} />
      <table>
        <caption className="visually-hidden">{t.heading}</caption>
        <thead>
          <tr>
            <th scope="col">{t.name}</th>
            <th scope="col">{t.used}</th>
            <th scope="col">{t.expires}</th>
            <th scope="col"><span className="visually-hidden">{t.revoke}</span></th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => {
            const name = token.name || t.kinds[token.kind];
            return (
              <tr key={token.id}>
                <th scope="row">
                  {name}
                  <span className="muted">
                    {[t.kinds[token.kind], ...token.scopes].join(" · ")}
                  </span>
                </th>
                <td data-label={t.used}>
                  {token.last_used_at
                    ? <time dateTime={token.last_used_at} title={formatFull(token.last_used_at)}>{timeAgo(token.last_used_at, Date.now()) ?? t.justNow}</time>
                    : t.never}
                </td>
                <td data-label={t.expires}>{token.expires_at ? formatDay(token.expires_at) : t.never}</td>
                <td>
                  {hasPermission(me, "authtoken.delete_token") && (
                    <Confirm label={t.revokeNamed(name)} question={t.revokeSure} yes={t.revokeYes} no={t.revokeNo}
                      sending={revoke.isPending && target === token.id} waiting={revoke.isPending && target !== token.id}
                      onYes={() => {
                        setTarget(token.id);
                        revoke.mutate(token.id, { onSuccess: () => onRevoked(t.revoked(name)) });
                      }}>{t.revoke}</Confirm>
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
