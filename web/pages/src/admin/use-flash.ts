import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";

/**
 * A sentence that says what was just done. It begins with the one that the previous page left in the history state (`done`),
 * which is removed there at once, so that a reload doesn't show it again.
 */
export function useFlash(): [flash: string, setFlash: (sentence: string) => void] {
  const { pathname, search, state } = useLocation();
  const navigate = useNavigate();
  const done = (state as { done?: string } | null)?.done;
  const [flash, setFlash] = useState(done ?? "");
  useEffect(() => {
    if (done) void navigate(pathname + search, { replace: true, state: null });
  }, [done]);
  return [flash, setFlash];
}
