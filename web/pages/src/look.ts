/** What the server has written into the document about the pages' look and language. */
export interface Look {
  /** The product's name. */
  name: string;
  /** The language of the document, and all that there are, each with its own name for itself. */
  language: string;
  languages: Readonly<Record<string, string>>;
  /** The path of the texts. */
  texts: string;
  /** What the page says while its texts can't be loaded. */
  unloaded: string;
}

const development: Look = { name: "Cloakroom", language: "en", languages: { en: "English" }, texts: "", unloaded: "" };

/** The pages' look. Outside a build, as in tests, it is the default one, in English. */
export const look: Look = import.meta.env.DEV
  ? development
  : JSON.parse(document.querySelector<HTMLMetaElement>('meta[name="look"]')!.content);
