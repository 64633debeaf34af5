import type { SignInMethods } from "@cloakroom/client";
import { useEffect, useState } from "react";
import { auth } from "./api.ts";

/** Which ways to sign in the server offers. Undefined until known, and after an error: they only add to a page. */
export function useMethods(): SignInMethods | undefined {
  const [methods, setMethods] = useState<SignInMethods>();
  useEffect(() => {
    auth.client.methods().then(setMethods, () => undefined);
  }, []);
  return methods;
}
