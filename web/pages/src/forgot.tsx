import { auth } from "./api.ts";
import { AddressForm } from "./parts/address-form.tsx";
import { texts } from "./texts.ts";

/** The page on which people ask for a link for a new password. */
export function Forgot() {
  return <AddressForm texts={texts.forgot} onSend={auth.client.forgot} />;
}
