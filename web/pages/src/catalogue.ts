import type en from "../../../internal/texts/pages/en.json";
import { look } from "./look.ts";

/** The names of the pages' texts, as in internal/texts/pages/en.json. */
export type Key = keyof typeof en;

/** The texts whose words depend on a number: they have a key for each plural form of a language (Unicode CLDR), at least `.other`. */
type PluralKey = Key extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;

/** The texts directly below a key. */
export type Section<Name extends string> = {
  readonly [K in Key as K extends `${Name}.${infer Rest}` ? (Rest extends `${string}.${string}` ? never : Rest) : never]: string;
};

const catalogue: Readonly<Record<string, string>> = await load();

/** The locale of dates and numbers. */
export const locale = look.language === "en" ? "en-GB" : look.language;

const numbers = new Intl.NumberFormat(locale);
const plurals = new Intl.PluralRules(locale);

/** Returns a text, with values for its placeholders. Numbers are written as the language writes them. */
export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(catalogue[key] ?? "", values);
}

/** Returns the form of a text that fits the number `n`, which its placeholder {n} stands for. */
export function plural(key: PluralKey, n: number): string {
  return fill(catalogue[`${key}.${plurals.select(n)}`] ?? catalogue[`${key}.other`] ?? "", { n });
}

/** Returns the texts directly below a key, by the rest of their keys. Their placeholders stay. */
export function section<Name extends string>(name: Name): Section<Name> {
  const prefix = `${name}.`;
  const texts = Object.entries(catalogue).flatMap(([key, text]) => {
    const rest = key.slice(prefix.length);
    return key.startsWith(prefix) && !rest.includes(".") ? [[rest, text]] : [];
  });
  return Object.fromEntries(texts) as Section<Name>;
}

const saidPrefix = "pages.said.";

/** The sentences of the server with placeholders, as patterns, each with what it is in this language. */
const saidPatterns = Object.entries(catalogue).flatMap(([key, text]) => {
  const [before, after, ...more] = key.slice(saidPrefix.length).split("{n}");
  return key.startsWith(saidPrefix) && after !== undefined && more.length === 0 ? [{ before: before!, after, text }] : [];
});

/** Returns a sentence of the server in the page's language, or as it is if the language has none for it. */
export function said(sentence: string): string {
  const whole = catalogue[saidPrefix + sentence];
  if (whole !== undefined) return whole;
  for (const { before, after, text } of saidPatterns) {
    const n = sentence.slice(before.length, sentence.length - after.length);
    if (/^\d{1,9}$/.test(n) && sentence === before + n + after) return fill(text, { n: Number(n) });
  }
  return sentence;
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{([a-z_]+)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return value === undefined ? whole : typeof value === "number" ? numbers.format(value) : value;
  });
}

const retryAfter = 3000;

/** Loads the texts of the document's language. An outage delays it, and the page says so meanwhile. */
async function load(): Promise<Record<string, string>> {
  if (import.meta.env.DEV) return (await import("../../../internal/texts/pages/en.json")).default;
  for (;;) {
    try {
      // The request is the same as that of the document's <link rel="preload">.
      const answer = await fetch(look.texts);
      if (answer.ok) return await answer.json();
    } catch {
      // No answer: it is asked for again.
    }
    document.getElementById("page")!.textContent = look.unloaded;
    await new Promise((resolve) => setTimeout(resolve, retryAfter));
  }
}
