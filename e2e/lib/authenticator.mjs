// Chromium's virtual authenticator: passkeys without a person.

/** Runs in each page of a context: notes what its browser is asked for, and how each question ends. */
function watchQuestions() {
  window.questions = [];
  const { get } = CredentialsContainer.prototype;
  CredentialsContainer.prototype.get = function (options) {
    const question = { suggestions: options.mediation === "conditional" };
    window.questions.push(question);
    const answer = get.call(this, options);
    answer.then(() => (question.end = "answered"), (error) => (question.end = error.name));
    return answer;
  };
}

/** Lets {@link suggests} and {@link answered} know of the questions of the pages that are loaded from now on. */
export const watch = (page) => page.addInitScript(watchQuestions);

/** Waits until the field of a page offers passkeys. */
export const suggests = (page) => page.waitForFunction(() => window.questions.some((it) => it.suggestions && !it.end));

/** Waits until a question that is no suggestion has ended as `end`: "answered", or the name of an error. */
export const answered = (page, end) => page.waitForFunction((end) => window.questions.some((it) => !it.suggestions && it.end === end), end);

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
