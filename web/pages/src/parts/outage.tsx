import { useEffect } from "react";
import type { AuthError } from "../api.ts";
import { formatDuration } from "../dates.ts";
import { texts } from "../texts.ts";
import { useCountdown } from "../use-action.ts";
import { Button } from "./button.tsx";
import { Heading } from "./layout.tsx";
import { Notice } from "./notice.tsx";

const t = texts.outage;
const defaultRetrySeconds = 5;

interface RetryProps {
  error: AuthError;
  onRetry: () => void;
  /** When the caller retries by itself, as `Date.now()` gives it. Undefined: this component calls `onRetry`. */
  retryAt?: number;
}

/** Shown in place of a page whose content could not be fetched. It retries by itself. */
export function Outage({ page, body = t.body, ...retry }: RetryProps & { page: string; body?: string }) {
  return (
    <>
      <Heading page={page}>{t.heading}</Heading>
      <p role="alert">{body}</p>
      <Retry {...retry} />
    </>
  );
}

/** Shown above a page whose content could not be refreshed. */
export function OutageBanner(retry: RetryProps) {
  return (
    <Notice tone="bad">
      <p>{t.banner}</p>
      <Retry {...retry} />
    </Notice>
  );
}

function Retry({ error, onRetry, retryAt }: RetryProps) {
  const automatic = retryAt === undefined;
  const pause = automatic ? (error.retryAfter ?? defaultRetrySeconds) * 1000 : retryAt - Date.now();
  const left = useCountdown(retryAt ?? error, pause);
  useEffect(() => {
    if (!automatic) return;
    const timer = setTimeout(onRetry, pause);
    return () => clearTimeout(timer);
  }, [error, automatic]);
  return (
    <div className="retry">
      <Button onClick={onRetry}>{t.retry}</Button>
      {left > 0 && <span aria-hidden="true" className="countdown">{t.retryIn(formatDuration(left))}</span>}
    </div>
  );
}
