import { useId } from "react";
import { look } from "../look.ts";
import { chooseLanguage } from "../language.ts";
import { texts } from "../texts.ts";

/** The foot of every page: the choice of its language, if there are several. */
export function Foot() {
  const id = useId();
  const languages = Object.entries(look.languages);
  if (languages.length < 2) return null;
  return (
    <footer className="foot">
      <label htmlFor={id}>{texts.chooseLanguage}</label>
      <select id={id} value={look.language} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
        {languages.map(([tag, name]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
      </select>
    </footer>
  );
}
