/** What the server has written into the document about the pages' look and language. */
export interface Look {
  /** The product's name. */
  name: string;
  /** The path of a picture beside the name; undefined for the built-in one. */
  logo?: string;
  /** The path of the app's own sign-in page; undefined if it has none. */
  signIn?: string;
  /** The users have no place for data of the program, as beside Django. */
  noExtra?: boolean;
  /** The addresses of the links at the foot of each page. */
  links: Readonly<Partial<Record<"help" | "terms" | "privacy", string>>>;
  /** The language of the document, and all that there are, each with its own name for itself. */
  language: string;
  languages: Readonly<Record<string, string>>;
  /** The path of the texts. */
  texts: string;
  /** What the page says while its texts can't be loaded. */
  unloaded: string;
}

const development: Look = { name: "Cloakroom", links: {}, language: "en", languages: { en: "English" }, texts: "", unloaded: "" };

/** The pages' look. Outside a build, as in tests, it is the default one, in English. */
export const look: Look = import.meta.env.DEV
  ? development
  : JSON.parse(document.querySelector<HTMLMetaElement>('meta[name="look"]')!.content);
