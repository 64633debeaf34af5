import type { ReactNode } from "react";
import { type AuthError, isDeclined, isOutage } from "../api.ts";
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

/** Renders `children` with the data of a query. Until there is any it says that it is loading, or why that failed. */
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

/** Why a mutation failed. Nothing is shown if the person declined to enter the password. */
export function MutationProblem({ error, fields }: { error: AuthError | null; fields?: readonly string[] }) {
  if (!error || isDeclined(error)) return null;
  return <Problem error={error} {...(fields && { fields })} outage={t.outage} />;
}
