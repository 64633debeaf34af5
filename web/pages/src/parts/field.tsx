import { useId, useState, type HTMLAttributes, type KeyboardEvent, type ReactNode, type Ref } from "react";
import { said } from "../catalogue.ts";
import { texts } from "../texts.ts";

interface FieldProps {
  name: string;
  label: string;
  autoComplete: string;
  inputMode?: "email";
  note?: string;
  hint?: ReactNode;
  errors?: readonly string[] | undefined;
  required?: boolean;
  autoFocus?: boolean;
  defaultValue?: string | undefined;
}

/**
 * A labelled input. Screen readers read its errors and its hint with it. An address has `inputMode="email"`: with `type="email"`, Chromium
 * rewrites what is typed, `straße.example` to `strasse.example`, which is another domain.
 */
export function Field({ name, label, note, hint, errors, required = true, ...rest }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {note && <span className="field-note"> ({note})</span>}
      </label>
      <input id={id} name={name} type="text" required={required} {...plainText} {...rest} {...ariaFor(id, hint, errors)} />
      <FieldMessages id={id} hint={hint} errors={errors} />
    </div>
  );
}

interface TextAreaProps {
  name: string;
  label: string;
  rows: number;
  hint?: ReactNode;
  errors?: readonly string[] | undefined;
  defaultValue?: string;
  readOnly?: boolean;
}

/** A labelled field for several lines of code. */
export function TextArea({ name, label, hint, errors, ...rest }: TextAreaProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea id={id} name={name} {...plainText} {...rest} {...ariaFor(id, hint, errors)} />
      <FieldMessages id={id} hint={hint} errors={errors} />
    </div>
  );
}

interface PasswordFieldProps {
  name: string;
  label: string;
  autoComplete: "current-password" | "new-password";
  /** For a new password: the minimum length. The hint then counts the characters while the person types. */
  min?: number | undefined;
  note?: string;
  required?: boolean;
  errors?: readonly string[] | undefined;
  autoFocus?: boolean;
}

/** A password input with a button that shows the password. Pasting is allowed. Errors are not shown while the person types. */
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
          {...plainText}
          {...rest}
          {...ariaFor(id, hint, errors)}
        />
        <button
          type="button"
          className="show-password"
          aria-label={texts.field.showPassword}
          aria-pressed={shown}
          aria-controls={id}
          onClick={() => setShown(!shown)}
        >
          {shown ? texts.field.hide : texts.field.show}
        </button>
      </div>
      <p role="status" className="caps-lock">{capsLock && texts.field.capsLock}</p>
      <FieldMessages id={id} hint={hint} errors={errors} />
    </div>
  );
}

/** A labelled checkbox. */
export function Checkbox({ label, ...rest }: { name: string; value?: string; label: string; defaultChecked?: boolean | undefined; ref?: Ref<HTMLInputElement> }) {
  return (
    <label className="tick">
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  );
}

/** A search field. `onChange` is called with each key. */
export function SearchField({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} type="search" value={value} autoComplete="off" {...plainText} onChange={(event) => onChange(event.currentTarget.value)} />
    </div>
  );
}

/** A date input. Its value is YYYY-MM-DD, or "" while it is empty. */
export function DateField({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} type="date" value={value} onChange={(event) => onChange(event.currentTarget.value)} />
    </div>
  );
}

interface SelectProps {
  name: string;
  label: string;
  /** The first is the default. */
  options: readonly (readonly [value: string, label: string])[];
  value?: string;
  onChange?: (value: string) => void;
  errors?: readonly string[] | undefined;
}

/** A labelled native select. */
export function Select({ name, label, options, value, onChange, errors }: SelectProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} name={name} {...(value !== undefined && { value })} onChange={(event) => onChange?.(event.currentTarget.value)}
        {...ariaFor(id, undefined, errors)}>
        {options.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
      <FieldMessages id={id} hint={undefined} errors={errors} />
    </div>
  );
}

/** An invisible input that tells password managers which account a password form belongs to. It can't be focused. */
export function HiddenUsername({ username }: { username: string }) {
  return (
    <input className="hidden-username" type="text" name="username" autoComplete="username" value={username} readOnly tabIndex={-1} aria-hidden="true" />
  );
}

function LengthHint({ has, min }: { has: number; min: number }) {
  if (has === 0) return texts.field.length(min);
  if (has < min) return texts.field.lengthSoFar(has, min);
  return <span className="enough">{texts.field.lengthEnough(has)}</span>;
}

/** The errors and the hint below a field. `ariaFor` refers to them. */
export function FieldMessages({ id, hint, errors }: { id: string; hint: ReactNode; errors: readonly string[] | undefined }) {
  return (
    <>
      {errors && (
        <ul id={`${id}-errors`} className="field-errors">
          {errors.map((text) => <li key={text}>{said(text)}</li>)}
        </ul>
      )}
      {hint && <p id={`${id}-hint`} className="field-hint">{hint}</p>}
    </>
  );
}

/** Attributes of an input whose text must not be corrected or capitalised. */
export const plainText = { autoCapitalize: "none", autoCorrect: "off", spellCheck: false } as const;

/** The ARIA attributes that tie an input to the messages that `FieldMessages` shows for the same `id`. */
export function ariaFor(id: string, hint: ReactNode, errors: readonly string[] | undefined): HTMLAttributes<HTMLElement> {
  const ids = [errors && `${id}-errors`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return { ...(ids && { "aria-describedby": ids }), ...(errors && { "aria-invalid": true }) };
}
