import { useId } from "react";
import { look } from "../look.ts";
import { chooseLanguage } from "../language.ts";
import { texts } from "../texts.ts";

/** The foot of every page: links of the people who run the server, and the choice of a language, if there are several. */
export function Foot() {
  const id = useId();
  const languages = Object.entries(look.languages);
  const { help, terms, privacy } = look.links;
  const links = [[help, texts.help], [terms, texts.terms], [privacy, texts.privacy]] as const;
  return (
    <footer className="foot">
      {links.map(([address, name]) => address && <a key={name} href={address} rel="noreferrer">{name}</a>)}
      {languages.length > 1 && (
        <span className="languages">
          <label htmlFor={id}>{texts.chooseLanguage}</label>
          <select id={id} value={look.language} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
            {languages.map(([tag, name]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
          </select>
        </span>
      )}
    </footer>
  );
}
