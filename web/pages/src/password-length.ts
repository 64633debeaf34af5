import { useEffect, useState } from "react";
import { api } from "./api.ts";

/** How long a new password has to be, for the hint; without it the server's own sentence says so. */
export function usePasswordLength(): number | undefined {
  const [min, setMin] = useState<number>();
  useEffect(() => {
    api.setup().then((setup) => setMin(setup.password_min_length), () => undefined);
  }, []);
  return min;
}
