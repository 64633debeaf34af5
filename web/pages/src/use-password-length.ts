import { useEffect, useState } from "react";
import { api } from "./api.ts";

/** The minimum length of a new password, for the hint. It is undefined until known; the server's refusal names it too. */
export function usePasswordLength(): number | undefined {
  const [min, setMin] = useState<number>();
  useEffect(() => {
    api.setup().then((setup) => setMin(setup.password_min_length), () => undefined);
  }, []);
  return min;
}
