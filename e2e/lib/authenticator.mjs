// Chromium's virtual authenticator: passkeys without a person.

/** Gives a page an authenticator. Each page needs its own, also a second tab. `options` are those of the DevTools protocol. */
export async function addAuthenticator(page, options = {}) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true, ...options,
    },
  });
  const send = (method, more = {}) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...more });
  return {
    /** Its credentials, as the protocol has them: credentialId, rpId, userHandle, userName, signCount … */
    credentials: async () => (await send("getCredentials")).credentials,
    /** Puts a credential of another authenticator on it. */
    add: (credential) => send("addCredential", { credential }),
    /** Whether the person touches it at once. */
    touch: (enabled) => send("setAutomaticPresenceSimulation", { enabled }),
    /** Whether it verifies the person. */
    verify: (isUserVerified) => send("setUserVerified", { isUserVerified }),
    remove: () => send("removeVirtualAuthenticator"),
  };
}
