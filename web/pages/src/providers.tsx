import type { ProviderVisit } from "@cloakroom/client";
import { auth, type AuthError } from "./api.ts";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";

const t = texts.providers;

/** Leads to a provider. */
export function useVisit() {
  return useAction((name: string, visit: ProviderVisit) => auth.startProvider(name, visit));
}

/** Why a visit to a provider could not begin. */
export function VisitProblem({ error }: { error: AuthError | undefined }) {
  return <Problem error={error} {...(error?.code === "provider_unavailable" && { outage: t.errors["provider_unavailable"]! })} />;
}

/** Why a visit to a provider has failed, as the address of the page says it. Undefined if it says nothing of the kind. */
export function providerError(fragment: string): string | undefined {
  const code = /^error=(\w+)$/.exec(fragment)?.[1];
  return code && (Object.hasOwn(t.errors, code) ? t.errors[code] : t.failed);
}
