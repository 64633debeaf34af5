import type { ReactNode } from "react";
import { isDeclined, isOutage, type AuthError } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Notice, Problem } from "../parts/notice.tsx";
import { texts } from "../texts.ts";

const t = texts.admin;

interface Query<Data> {
  data: Data | undefined;
  error: AuthError | null;
  isFetching: boolean;
  refetch: () => Promise<unknown>;
}

/** What a query has found; until then that it is under way, or why it failed and what to do. */
export function Loaded<Data>({ query, children }: { query: Query<Data>; children: (data: Data) => ReactNode }) {
  const { data, error, isFetching, refetch } = query;
  return (
    <>
      {error && !isFetching && <Failed error={error} onRetry={() => void refetch()} />}
      {data === undefined && (!error || isFetching) && <p className="checking" role="status">{texts.checking}</p>}
      {data !== undefined && children(data)}
    </>
  );
}

function Failed({ error, onRetry }: { error: AuthError; onRetry: () => void }) {
  const sentence = isDeclined(error) ? t.declined : isOutage(error) ? t.outage : error.status === 403 ? t.notAllowed : error.detail;
  return (
    <Notice tone="bad">
      <p>{sentence || texts.problem.refused}</p>
      <div className="row"><Button onClick={onRetry}>{isDeclined(error) ? t.enterPassword : texts.outage.retry}</Button></div>
    </Notice>
  );
}

/** Why a deed failed. To decline to enter the password is no failure. */
export function DeedProblem({ error, fields }: { error: AuthError | null; fields?: readonly string[] }) {
  if (!error || isDeclined(error)) return null;
  return <Problem error={error} {...(fields && { fields })} outage={t.outage} />;
}
