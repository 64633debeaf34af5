/**
 * All texts of the pages. Their words are in internal/texts/pages, one file for each language. A text without placeholders is
 * here by its section; one with placeholders has a function.
 */

import { plural, section, t } from "./catalogue.ts";
import { look } from "./look.ts";

const endings: Readonly<Record<string, string>> = section("pages.endings");

export const texts = {
  ...section("pages"),
  product: look.name,
  title: (page: string) => t("pages.title", { page, product: look.name }),

  duration: {
    hours: (n: number) => t("pages.duration.hours", { n }),
    minutes: (n: number) => t("pages.duration.minutes", { n }),
    seconds: (n: number) => t("pages.duration.seconds", { n }),
  },

  agent: {
    ...section("pages.agent"),
    on: (browser: string, system: string) => t("pages.agent.on", { browser, system }),
  },

  field: {
    ...section("pages.field"),
    length: (min: number) => t("pages.field.length", { min }),
    lengthSoFar: (has: number, min: number) => t("pages.field.lengthSoFar", { has, min }),
    lengthEnough: (has: number) => t("pages.field.lengthEnough", { has }),
  },

  problem: {
    ...section("pages.problem"),
    retryIn: (wait: string) => t("pages.problem.retryIn", { wait }),
  },

  outage: {
    ...section("pages.outage"),
    retryIn: (wait: string) => t("pages.outage.retryIn", { wait }),
  },

  expiring: {
    ...section("pages.expiring"),
    left: (wait: string) => t("pages.expiring.left", { wait }),
  },

  signIn: {
    ...section("pages.signIn"),
    /** Explains why the session ended; `why` is the server's reason. Undefined if there is nothing to explain. */
    reason: (why: string): string | undefined => {
      if (why === "not_authenticated" || why === "signed_out") return undefined;
      return Object.hasOwn(endings, why) ? endings[why] : t("pages.endings.unknown");
    },
    alreadyAs: (name: string) => t("pages.signIn.alreadyAs", { name }),
    provider: (label: string) => t("pages.signIn.provider", { label }),
  },

  secondStep: section("pages.secondStep"),

  code: section("pages.code"),

  account: {
    ...section("pages.account"),
    since: (day: string) => t("pages.account.since", { day }),
  },

  profile: section("pages.profile"),

  ownData: {
    ...section("pages.ownData"),
    confirm: (name: string) => t("pages.ownData.confirm", { name }),
  },

  devices: {
    ...section("pages.devices"),
    methods: section("pages.devices.methods") as Readonly<Record<string, string>>,
    method: (name: string) => t("pages.devices.method", { name: name.replaceAll("_", " ") }),
    endNamed: (name: string) => t("pages.devices.endNamed", { name }),
    ended: (name: string) => t("pages.devices.ended", { name }),
    endOthersSure: (n: number) => plural("pages.devices.endOthersSure", n),
    everywhereSure: (n: number) => plural("pages.devices.everywhereSure", n),
    endedOthers: (n: number) => (n === 0 ? t("pages.devices.endedNone") : plural("pages.devices.endedOthers", n)),
  },

  password: section("pages.password"),

  confirmIdentity: {
    ...section("pages.confirmIdentity"),
    password: (name: string) => t("pages.confirmIdentity.password", { name }),
    code: (name: string) => t("pages.confirmIdentity.code", { name }),
    both: (name: string) => t("pages.confirmIdentity.both", { name }),
    onlyKey: (name: string) => t("pages.confirmIdentity.onlyKey", { name }),
    provider: (name: string) => t("pages.confirmIdentity.provider", { name }),
    mail: (name: string) => t("pages.confirmIdentity.mail", { name }),
    mailed: (name: string) => t("pages.confirmIdentity.mailed", { name }),
  },

  waysIn: {
    ...section("pages.waysIn"),
    kinds: section("pages.waysIn.kinds"),
    addKey: section("pages.waysIn.addKey"),
    keyWhat: section("pages.waysIn.keyWhat"),
    addedKind: section("pages.waysIn.addedKind"),
    renameNamed: (name: string) => t("pages.waysIn.renameNamed", { name }),
    renamed: (name: string) => t("pages.waysIn.renamed", { name }),
    removeNamed: (name: string) => t("pages.waysIn.removeNamed", { name }),
    /** `alone`: the password is enough afterwards. `last`: no factor is left. */
    removeSure: (alone: boolean, last: boolean) =>
      [t("pages.waysIn.removeEnds"), alone && t("pages.waysIn.removeAlone"), last && t("pages.waysIn.removeLast")].filter(Boolean).join(" "),
    removed: (name: string) => t("pages.waysIn.removed", { name }),
    endsDevice: (name: string) => t("pages.waysIn.endsDevice", { name }),
    endsToken: (name: string) => t("pages.waysIn.endsToken", { name }),
    codesLeft: (n: number) => plural("pages.waysIn.codesLeft", n),
    codesFew: (n: number) => (n === 0 ? t("pages.waysIn.codesNone") : plural("pages.waysIn.codesFew", n)),
    /** The name of the file with the recovery codes, and its first line. */
    file: "cloakroom-recovery-codes.txt",
    fileHead: (host: string, day: string) => t("pages.waysIn.fileHead", { host, day }),
  },

  providers: {
    ...section("pages.providers"),
    /** Why a visit to a provider has failed, by the code in the address. */
    errors: section("pages.providers.errors") as Readonly<Record<string, string>>,
  },

  links: {
    ...section("pages.links"),
    link: (label: string) => t("pages.links.link", { label }),
    added: (label: string) => t("pages.links.added", { label }),
    removeNamed: (label: string) => t("pages.links.removeNamed", { label }),
    removed: (label: string) => t("pages.links.removed", { label }),
  },

  tokens: {
    ...section("pages.tokens"),
    kinds: section("pages.tokens.kinds"),
    revokeNamed: (name: string) => t("pages.tokens.revokeNamed", { name }),
    revoked: (name: string) => t("pages.tokens.revoked", { name }),
    /** In seconds. */
    lifetimes: [
      ["7776000", t("pages.tokens.lifetimes.quarter")],
      ["2592000", t("pages.tokens.lifetimes.month")],
      ["604800", t("pages.tokens.lifetimes.week")],
      ["31536000", t("pages.tokens.lifetimes.year")],
      ["0", t("pages.tokens.lifetimes.never")],
    ],
    shownOnce: (name: string) => t("pages.tokens.shownOnce", { name }),
  },

  shownOnce: section("pages.shownOnce"),

  forgot: {
    ...section("pages.forgot"),
    sent: (to: string) => t("pages.forgot.sent", { to }),
  },

  signUp: {
    ...section("pages.signUp"),
    welcomeFor: (email: string) => t("pages.signUp.welcomeFor", { email }),
    sent: (to: string) => t("pages.signUp.sent", { to }),
  },

  revert: section("pages.revert"),

  email: {
    ...section("pages.email"),
    changeSent: (to: string) => t("pages.email.changeSent", { to }),
    intro: (email: string) => t("pages.email.intro", { email }),
    confirmAs: (name: string) => t("pages.email.confirmAs", { name }),
    done: (email: string) => t("pages.email.done", { email }),
  },

  reset: {
    ...section("pages.reset"),
    remedyCommand: "cloakroom user reset NAME",
  },

  admin: {
    ...section("pages.admin"),
    noAccess: (name: string) => t("pages.admin.noAccess", { name }),

    users: {
      ...section("pages.admin.users"),
      select: (name: string) => t("pages.admin.users.select", { name }),
      selected: (n: number) => plural("pages.admin.users.selected", n),
      disableSure: (n: number) => plural("pages.admin.users.disableSure", n),
      disabledMany: (n: number) => plural("pages.admin.users.disabledMany", n),
      notDisabled: (name: string, reason: string) => t("pages.admin.users.notDisabled", { name, reason }),
    },

    user: {
      ...section("pages.admin.user"),
      lastLogin: (when: string) => t("pages.admin.user.lastLogin", { when }),
      factorsRemoveSure: (name: string) => t("pages.admin.user.factorsRemoveSure", { name }),
      extraHint: t("pages.admin.user.extraHint", { sample: '{"plan": "pro"}' }),
      factorsRemoved: (name: string) => t("pages.admin.user.factorsRemoved", { name }),
      linkMade: (name: string, until: string) => t("pages.admin.user.linkMade", { name, until }),
      passwordSet: (name: string) => t("pages.admin.user.passwordSet", { name }),
      endSure: (name: string) => t("pages.admin.user.endSure", { name }),
      ended: (name: string) => t("pages.admin.user.ended", { name }),
      disableSure: (name: string) => t("pages.admin.user.disableSure", { name }),
      disabled: (name: string) => t("pages.admin.user.disabled", { name }),
      enabled: (name: string) => t("pages.admin.user.enabled", { name }),
      compromisedSure: (name: string) => t("pages.admin.user.compromisedSure", { name }),
      deleteSure: (name: string) => t("pages.admin.user.deleteSure", { name }),
      deleted: (name: string) => t("pages.admin.user.deleted", { name }),
    },

    invitations: {
      ...section("pages.admin.invitations"),
      invited: (email: string) => t("pages.admin.invitations.invited", { email }),
      printed: (email: string, until: string) => t("pages.admin.invitations.printed", { email, until }),
      sendNamed: (email: string) => t("pages.admin.invitations.sendNamed", { email }),
      renewNamed: (email: string) => t("pages.admin.invitations.renewNamed", { email }),
      withdrawNamed: (email: string) => t("pages.admin.invitations.withdrawNamed", { email }),
      withdrawn: (email: string) => t("pages.admin.invitations.withdrawn", { email }),
    },

    groups: {
      ...section("pages.admin.groups"),
      changeNamed: (name: string) => t("pages.admin.groups.changeNamed", { name }),
      changed: (name: string) => t("pages.admin.groups.changed", { name }),
      deleteNamed: (name: string) => t("pages.admin.groups.deleteNamed", { name }),
      deleted: (name: string) => t("pages.admin.groups.deleted", { name }),
      created: (name: string) => t("pages.admin.groups.created", { name }),
    },

    sessions: {
      ...section("pages.admin.sessions"),
      endNamed: (device: string, name: string) => t("pages.admin.sessions.endNamed", { device, name }),
    },

    audit: {
      ...section("pages.admin.audit"),
      deleted: (name: string) => t("pages.admin.audit.deleted", { name }),
      unnamed: (id: string) => t("pages.admin.audit.unnamed", { id }),
      only: (name: string) => t("pages.admin.audit.only", { name }),
      onlyNamed: (name: string) => t("pages.admin.audit.onlyNamed", { name }),
      /** The events of OWASP's Logging Vocabulary, and our own, in words. */
      events: section("pages.admin.audit.events") as Readonly<Record<string, string>>,
    },
  },

  picker: {
    ...section("pages.picker"),
    add: (name: string) => t("pages.picker.add", { name }),
    remove: (name: string) => t("pages.picker.remove", { name }),
  },

  setup: {
    ...section("pages.setup"),
    heading: t("pages.setup.heading", { product: look.name }),
    remedyCommand: "cloakroom serve",
    otherRemedyCommand: "cloakroom user add NAME --superuser",
  },
} as const;
