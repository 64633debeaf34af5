import { useEffect } from "react";
import { useCountdown } from "../action.ts";
import type { AuthError } from "../api.ts";
import { texts } from "../texts.ts";
import { wait } from "../when.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";
import { Heading } from "./shell.tsx";

const t = texts.outage;
const patience = 5;

interface RetryProps {
  error: AuthError;
  onRetry: () => void;
  /** When the next try is due, as `Date.now()` has it, where somebody else sees to it. */
  retryAt?: number;
}

/** In place of a page whose content could not be fetched. It tries again by itself. */
export function Outage({ page, body = t.body, ...retry }: RetryProps & { page: string; body?: string }) {
  return (
    <>
      <Heading page={page}>{t.heading}</Heading>
      <p role="alert">{body}</p>
      <Retry {...retry} />
    </>
  );
}

/** Above a page whose content is there but could not be brought up to date. */
export function OutageBanner(retry: RetryProps) {
  return (
    <Notice tone="bad">
      <p>{t.banner}</p>
      <Retry {...retry} />
    </Notice>
  );
}

function Retry({ error, onRetry, retryAt }: RetryProps) {
  const ours = retryAt === undefined;
  const pause = ours ? (error.retryAfter ?? patience) * 1000 : retryAt - Date.now();
  const left = useCountdown(retryAt ?? error, pause);
  useEffect(() => {
    if (!ours) return;
    const timer = setTimeout(onRetry, pause);
    return () => clearTimeout(timer);
  }, [error, ours]);
  return (
    <div className="retry">
      <Button onClick={onRetry}>{t.retry}</Button>
      {left > 0 && <span aria-hidden="true" className="countdown">{t.retryIn(wait(left))}</span>}
    </div>
  );
}
