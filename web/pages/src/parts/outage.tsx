import { useEffect, useMemo } from "react";
import { useWait } from "../action.ts";
import { AuthError } from "../api.ts";
import { texts } from "../texts.ts";
import { wait } from "../when.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";
import { Heading } from "./shell.tsx";

const t = texts.outage;
const patience = 5;

interface OutageProps {
  page: string;
  error: AuthError;
  onRetry: () => void;
  body?: string;
}

/** In place of a page whose content could not be fetched. It tries again by itself. */
export function Outage({ page, error, onRetry, body = t.body }: OutageProps) {
  return (
    <>
      <Heading page={page}>{t.heading}</Heading>
      <p role="alert">{body}</p>
      <Retry error={error} onRetry={onRetry} />
    </>
  );
}

/** Above a page whose content is there but could not be brought up to date. */
export function OutageBanner({ error, onRetry }: { error: AuthError; onRetry: () => void }) {
  return (
    <Notice tone="bad">
      <p>{t.banner}</p>
      <Retry error={error} onRetry={onRetry} />
    </Notice>
  );
}

function Retry({ error, onRetry }: { error: AuthError; onRetry: () => void }) {
  const timed = useMemo(() => withPatience(error), [error]);
  const left = useWait(timed);
  useEffect(() => {
    const timer = setTimeout(onRetry, (timed.retryAfter ?? patience) * 1000);
    return () => clearTimeout(timer);
  }, [timed]);
  return (
    <div className="retry">
      <Button onClick={onRetry}>{t.retry}</Button>
      {left > 0 && <span aria-hidden="true" className="countdown">{t.retryIn(wait(left))}</span>}
    </div>
  );
}

/** The same refusal with a time to wait, should the server have named none. */
function withPatience(error: AuthError): AuthError {
  const { code, status, detail, errors, retryAfter = patience } = error;
  return new AuthError({ code, status, detail, errors, retryAfter });
}
