import type { ReactNode } from "react";
import { type AuthError, isOutage, noCookie } from "../api.ts";
import { useWait } from "../action.ts";
import { texts } from "../texts.ts";
import { wait } from "../when.ts";

interface NoticeProps {
  tone: "bad" | "good" | "plain";
  children: ReactNode;
}

/** A boxed sentence. A bad one interrupts a screen reader, the others wait their turn. */
export function Notice({ tone, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

interface ProblemProps {
  error: AuthError | undefined;
  /** The fields that show their own errors; those of any other are shown here. */
  fields?: readonly string[];
  /** What a wrong password is called here. */
  credentials?: string;
  /** What an outage is called here. */
  outage?: string;
}

/** What went wrong with a form, with a countdown where the server named a time. */
export function Problem({ error, fields = [], credentials = texts.problem.credentials, outage }: ProblemProps) {
  const left = useWait(error);
  if (!error) return null;
  const stray = Object.entries(error.errors).filter(([field]) => !fields.includes(field)).flatMap(([, list]) => list);
  return (
    <Notice tone="bad">
      <p>{sentence(error, credentials, outage, stray.length)}</p>
      {stray.map((text) => <p key={text}>{text}</p>)}
      {left > 0 && <p aria-hidden="true" className="countdown">{texts.problem.retryIn(wait(left))}</p>}
    </Notice>
  );
}

function sentence(error: AuthError, credentials: string, outage: string | undefined, strays: number): string {
  if (isOutage(error)) return outage ?? (error.status === 0 ? texts.problem.unreachable : texts.problem.unavailable);
  if (error.code === "invalid_credentials") return credentials;
  if (error.code === noCookie) return texts.problem.noCookie;
  if (error.status === 429) return texts.problem.throttled;
  if (Object.keys(error.errors).length > strays) return texts.problem.fields;
  return error.detail || texts.problem.refused;
}
