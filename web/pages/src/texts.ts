/** Every sentence the pages say, in one place. */

/** The language of the texts, and so of the dates among them. */
export const locale = "en-GB";

const devices = (n: number) => (n === 1 ? "1 other device" : `${n} other devices`);

export const texts = {
  product: "Cloakroom",
  title: (page: string) => `${page} · Cloakroom`,
  checking: "One moment…",
  broken: "This page has run into a fault of its own. Reload it to go on; you are as signed in as you were.",

  field: {
    username: "Username",
    login: "Username or e-mail",
    email: "E-mail",
    optional: "optional",
    password: "Password",
    currentPassword: "Current password",
    newPassword: "New password",
    show: "Show",
    hide: "Hide",
    showPassword: "Show the password",
    remember: "Keep me signed in",
    rememberHint: "Leave this off on a computer that others use.",
    length: (min: number) => `At least ${min} characters. A few unrelated words do well.`,
    lengthSoFar: (has: number, min: number) => `${has} of ${min} characters`,
    lengthEnough: (has: number) => `${has} characters: long enough`,
  },

  problem: {
    unreachable: "Can’t reach the server. Check your connection and try again; what you typed is still here.",
    unavailable: "The server can’t answer right now. Try again in a moment; what you typed is still here.",
    credentials: "That username and password don’t go together. Check both and try again.",
    wrongPassword: "That isn’t your password.",
    throttled: "Too many tries. Wait a little, then try again; what you typed is still here.",
    fields: "Please look at the fields marked below.",
    refused: "The server refused this.",
    retryIn: (wait: string) => `Try again in ${wait}.`,
  },

  outage: {
    heading: "Can’t reach the server",
    body: "You are still signed in; nothing has been lost. This page keeps trying.",
    retry: "Try now",
    retryIn: (wait: string) => `Trying again in ${wait}.`,
    banner: "Can’t reach the server. You are still signed in; what you see may be a little old.",
  },

  signIn: {
    page: "Sign in",
    heading: "Sign in",
    ended: "You are no longer signed in here. Sign in again to go on.",
    submit: "Sign in",
    sending: "Signing in…",
    already: "You’re signed in",
    alreadyAs: (name: string) => `This browser is signed in as ${name}.`,
    goOn: "Continue",
    another: "Use another account",
    setupNeeded: "There are no accounts here yet. Open the setup link that the server printed when it started to make the first one.",
  },

  account: {
    page: "Your account",
    heading: "Your account",
    signOut: "Sign out",
    signingOut: "Signing out…",
    notSignedOut: "You are not signed out yet: the server can’t be reached. Try again in a moment.",
    superuser: "Administrator",
    staff: "Staff",
    since: (day: string) => `Member since ${day}`,
  },

  devices: {
    heading: "Where you’re signed in",
    intro: "Each of these can use your account. End any that you don’t know.",
    thisDevice: "This device",
    unknown: "Unknown device",
    lastUsed: "Last used",
    now: "now",
    justNow: "just now",
    signedIn: "Signed in",
    address: "Address",
    methods: { password: "with a password", basic: "with a password", setup: "at first setup" } as Readonly<Record<string, string>>,
    method: (name: string) => `by ${name.replaceAll("_", " ")}`,
    end: "End",
    endNamed: (name: string) => `End ${name}`,
    endSure: "It will have to sign in again.",
    endYes: "End it",
    endNo: "Keep it",
    ended: (name: string) => `${name} has been signed out.`,
    endOthers: "Sign out all other devices",
    endOthersSure: (n: number) => `This signs out ${devices(n)}; this one stays.`,
    endOthersYes: "Sign them out",
    endOthersNo: "Keep them",
    endedOthers: (n: number) => (n === 0 ? "No other device was signed in." : `${devices(n)} signed out.`),
    working: "One moment…",
  },

  password: {
    heading: "Change your password",
    intro: "This signs out all your other devices.",
    submit: "Change password",
    sending: "Changing…",
    changed: "Your password is changed. All other devices have been signed out.",
  },

  confirm: {
    heading: "Is it you?",
    body: (name: string) => `Enter the password of ${name} once more to go on.`,
    submit: "Go on",
    sending: "Checking…",
    cancel: "Cancel",
  },

  setup: {
    page: "Set up",
    heading: "Set up Cloakroom",
    intro: "Make the first account. It is an administrator and can do everything, so give it a good password.",
    submit: "Create the account",
    sending: "Creating…",
    keep: "The link’s secret has been taken out of the address bar. If you reload this page, open the link again.",
    noSecretHeading: "Open the whole setup link",
    noSecret: "This page needs the link that “cloakroom serve” printed when it started, with all that follows the # sign.",
    invalidHeading: "This setup link doesn’t work",
    invalid: "It has been used, is more than 30 minutes old, or is from an earlier start of the server.",
    remedy: "For a new link, restart the server:",
    remedyCommand: "cloakroom serve",
    otherRemedy: "Or make the administrator on the command line:",
    otherRemedyCommand: "cloakroom user add NAME --superuser",
    doneHeading: "Already set up",
    done: "The first account has been made, so this page has nothing left to do.",
    signIn: "Go to sign-in",
  },
} as const;
