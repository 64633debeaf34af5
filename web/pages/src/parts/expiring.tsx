import { useCountdown } from "../action.ts";
import { auth } from "../api.ts";
import { texts } from "../texts.ts";
import { wait } from "../when.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

const t = texts.expiring;

/** Says that the session is about to end because nobody used it, and lets it go on. */
export function Expiring({ at }: { at: string }) {
  const left = useCountdown(at, Date.parse(at) - Date.now());
  return (
    <Notice tone="plain">
      <p>{t.body}</p>
      <div className="retry">
        <Button onClick={() => void auth.refresh()}>{t.stay}</Button>
        {left > 0 && <span aria-hidden="true" className="countdown">{t.left(wait(left))}</span>}
      </div>
    </Notice>
  );
}
