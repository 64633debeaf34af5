import { auth } from "../api.ts";
import { formatDuration } from "../dates.ts";
import { texts } from "../texts.ts";
import { useCountdown } from "../use-action.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

const t = texts.expiring;

/** Warns that the session is about to end because it wasn't used, and offers to extend it. `at` is when it ends. */
export function SessionExpiring({ at }: { at: string }) {
  const left = useCountdown(at, Date.parse(at) - Date.now());
  return (
    <Notice tone="plain">
      <p>{t.body}</p>
      <div className="retry">
        <Button onClick={() => void auth.refresh()}>{t.stay}</Button>
        {left > 0 && <span aria-hidden="true" className="countdown">{t.left(formatDuration(left))}</span>}
      </div>
    </Notice>
  );
}
