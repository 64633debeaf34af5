import { useId, useState, type HTMLAttributes, type KeyboardEvent, type ReactNode } from "react";
import { texts } from "../texts.ts";

interface FieldProps {
  name: string;
  label: string;
  autoComplete: string;
  type?: "text" | "email";
  note?: string;
  hint?: ReactNode;
  errors?: readonly string[] | undefined;
  required?: boolean;
  autoFocus?: boolean;
  defaultValue?: string | undefined;
}

/** A labelled input; its errors and its hint are read with it. */
export function Field({ name, label, note, hint, errors, required = true, type = "text", ...rest }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {note && <span className="field-note"> ({note})</span>}
      </label>
      <input id={id} name={name} type={type} required={required} {...plain} {...rest} {...describe(id, hint, errors)} />
      <Below id={id} hint={hint} errors={errors} />
    </div>
  );
}

interface PasswordFieldProps {
  name: string;
  label: string;
  autoComplete: "current-password" | "new-password";
  /** For a new password: the length that is asked for, which shows a hint that counts along. */
  min?: number | undefined;
  note?: string;
  required?: boolean;
  errors?: readonly string[] | undefined;
  autoFocus?: boolean;
}

/** A password input that can be looked at. Pasting is welcome, and nothing is said while the person still types. */
export function PasswordField({ name, label, min, note, errors, required = true, ...rest }: PasswordFieldProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const [length, setLength] = useState(0);
  const [capsLock, setCapsLock] = useState(false);
  const noticeCapsLock = (event: KeyboardEvent) => setCapsLock(event.getModifierState("CapsLock"));
  const hint = min === undefined ? undefined : <LengthHint has={length} min={min} />;
  return (
    <div className="field">
      <label htmlFor={id}>{label}{note && <span className="field-note"> ({note})</span>}</label>
      <div className="field-box">
        <input
          id={id}
          name={name}
          type={shown ? "text" : "password"}
          required={required}
          onInput={(event) => setLength([...event.currentTarget.value].length)}
          onKeyDown={noticeCapsLock}
          onKeyUp={noticeCapsLock}
          onBlur={() => setCapsLock(false)}
          {...plain}
          {...rest}
          {...describe(id, hint, errors)}
        />
        <button
          type="button"
          className="peek"
          aria-label={texts.field.showPassword}
          aria-pressed={shown}
          aria-controls={id}
          onClick={() => setShown(!shown)}
        >
          {shown ? texts.field.hide : texts.field.show}
        </button>
      </div>
      <p role="status" className="caps-lock">{capsLock && texts.field.capsLock}</p>
      <Below id={id} hint={hint} errors={errors} />
    </div>
  );
}

/** One thing to tick. */
export function Tick({ label, ...rest }: { name: string; value: string; label: string; defaultChecked?: boolean | undefined }) {
  return (
    <label className="tick">
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  );
}

/** A field that narrows a list while it is typed into. */
export function Search({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} type="search" value={value} autoComplete="off" {...plain} onChange={(event) => onChange(event.currentTarget.value)} />
    </div>
  );
}

/** A day that narrows a list, as YYYY-MM-DD; "" for none. */
export function Day({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} type="date" value={value} onChange={(event) => onChange(event.currentTarget.value)} />
    </div>
  );
}

interface ChoiceProps {
  name: string;
  label: string;
  /** Value → what it is called; the first is chosen at first. */
  options: readonly (readonly [value: string, words: string])[];
  value?: string;
  onChange?: (value: string) => void;
}

/** One of a few, by the browser's own means. */
export function Choice({ name, label, options, value, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} name={name} {...(value !== undefined && { value })} onChange={(event) => onChange?.(event.currentTarget.value)}>
        {options.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
      </select>
    </div>
  );
}

/** Tells a password manager whose password a form is about. It is neither seen nor reached by the keyboard. */
export function UsernameForManagers({ username }: { username: string }) {
  return (
    <input className="for-managers" type="text" name="username" autoComplete="username" value={username} readOnly tabIndex={-1} aria-hidden="true" />
  );
}

function LengthHint({ has, min }: { has: number; min: number }) {
  if (has === 0) return texts.field.length(min);
  if (has < min) return texts.field.lengthSoFar(has, min);
  return <span className="enough">{texts.field.lengthEnough(has)}</span>;
}

/** What is said below a field, which `describe` ties to it. */
export function Below({ id, hint, errors }: { id: string; hint: ReactNode; errors: readonly string[] | undefined }) {
  return (
    <>
      {errors && (
        <ul id={`${id}-errors`} className="field-errors">
          {errors.map((text) => <li key={text}>{text}</li>)}
        </ul>
      )}
      {hint && <p id={`${id}-hint`} className="field-hint">{hint}</p>}
    </>
  );
}

export const plain = { autoCapitalize: "none", autoCorrect: "off", spellCheck: false } as const;

export function describe(id: string, hint: ReactNode, errors: readonly string[] | undefined): HTMLAttributes<HTMLElement> {
  const ids = [errors && `${id}-errors`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return { ...(ids && { "aria-describedby": ids }), ...(errors && { "aria-invalid": true }) };
}
