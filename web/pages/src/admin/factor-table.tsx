import type { Factor } from "../api.ts";
import { formatDay, formatFull, timeAgo } from "../dates.ts";
import { texts } from "../texts.ts";

const t = texts.waysIn;

export function FactorTable({ factors }: { factors: readonly Factor[] }) {
  return (
    <table>
      <thead>
        <tr><th scope="col">{t.name}</th><th scope="col">{t.kind}</th><th scope="col">{t.added}</th><th scope="col">{t.used}</th></tr>
      </thead>
      <tbody>
        {factors.map(({ id, name, kind, created_at, last_used_at }) => (
          <tr key={id}>
            <th scope="row">{name}</th>
            <td data-label={t.kind}>{t.kinds[kind]}</td>
            <td data-label={t.added}><time dateTime={created_at} title={formatFull(created_at)}>{formatDay(created_at)}</time></td>
            <td data-label={t.used}>{last_used_at ? timeAgo(last_used_at, Date.now()) ?? t.justNow : t.never}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
