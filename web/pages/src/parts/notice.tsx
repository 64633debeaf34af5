import type { ReactNode } from "react";
import { type AuthError, isOutage, noCookie } from "../api.ts";
import { said } from "../catalogue.ts";
import { formatDuration } from "../dates.ts";
import { texts } from "../texts.ts";
import { useRetryAfter } from "../use-action.ts";

interface NoticeProps {
  tone: "bad" | "good" | "plain";
  children: ReactNode;
}

/** A boxed message. A bad one interrupts a screen reader (role alert); the others wait (role status). */
export function Notice({ tone, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

interface ProblemProps {
  error: AuthError | undefined;
  /** The fields that show their own errors. Errors of other fields are shown here. */
  fields?: readonly string[];
  /** The sentence for a wrong password on this form. */
  credentials?: string;
  /** The sentence for an outage on this form. */
  outage?: string;
}

/** Why a form was refused, with a countdown if the server sent Retry-After. */
export function Problem({ error, fields = [], credentials = texts.problem.credentials, outage }: ProblemProps) {
  const left = useRetryAfter(error);
  if (!error) return null;
  const otherErrors = Object.entries(error.errors).filter(([field]) => !fields.includes(field)).flatMap(([, list]) => list);
  return (
    <Notice tone="bad">
      <p>{sentence(error, credentials, outage, otherErrors.length)}</p>
      {otherErrors.map((text) => <p key={text}>{said(text)}</p>)}
      {left > 0 && <p aria-hidden="true" className="countdown">{texts.problem.retryIn(formatDuration(left))}</p>}
    </Notice>
  );
}

function sentence(error: AuthError, credentials: string, outage: string | undefined, others: number): string {
  if (isOutage(error)) return outage ?? (error.status === 0 ? texts.problem.unreachable : texts.problem.unavailable);
  if (error.code === "invalid_credentials") return credentials;
  if (error.code === noCookie) return texts.problem.noCookie;
  if (error.code === "factor_exists" && !error.detail) return texts.problem.passkeyExists;
  if (error.code === "passkey_failed") return texts.problem.passkeyFailed;
  if (error.status === 429) return texts.problem.throttled;
  if (Object.keys(error.errors).length > others) return texts.problem.fields;
  return said(error.detail) || texts.problem.refused;
}
