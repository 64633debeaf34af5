import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";

/** What the page before has done, to be said here once: a reload doesn't say it again. */
export function useArrived(): [said: string, say: (sentence: string) => void] {
  const { pathname, search, state } = useLocation();
  const navigate = useNavigate();
  const done = (state as { done?: string } | null)?.done;
  const [said, say] = useState(done ?? "");
  useEffect(() => {
    if (done) void navigate(pathname + search, { replace: true, state: null });
  }, [done]);
  return [said, say];
}
