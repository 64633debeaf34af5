import { useCallback, useEffect, useRef, useState } from "react";
import { api, type Device, type Factor, type Factors, type NewApp, type Token } from "./api.ts";
import { formatDay, formatFull, timeAgo } from "./dates.ts";
import { Button } from "./parts/button.tsx";
import { Confirm } from "./parts/confirm.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { OutageBanner } from "./parts/outage.tsx";
import { Recent } from "./parts/recent.tsx";
import { useReturnFocus } from "./parts/use-return-focus.ts";
import { AddKey } from "./add-key.tsx";
import { NewRecoveryCodes } from "./recovery-codes.tsx";
import { SetUpApp } from "./set-up-app.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.waysIn;
const fewCodes = 3;

interface WaysInProps {
  devices: readonly Device[] | undefined;
  /** Called after a change that has signed out the other devices and revoked the tokens. */
  onEnded: () => Promise<void>;
}

/** What the person signs in with besides the password. */
export function WaysIn({ devices, onEnded }: WaysInProps) {
  const [factors, setFactors] = useState<Factors>();
  const load = useAction(useCallback(async () => setFactors(await api.factors()), []));
  const { run } = load;
  useEffect(() => void run(), [run]);
  return (
    <section aria-labelledby="ways-heading">
      {load.error && <OutageBanner error={load.error} onRetry={() => void run()} />}
      {factors && <Loaded factors={factors} devices={devices ?? []} onChange={run} onEnded={onEnded} />}
      {!factors && <h2 id="ways-heading">{t.heading}</h2>}
    </section>
  );
}

/** A factor that is being added. */
interface Adding {
  kind: Factor["kind"];
  /** For an authenticator app. */
  app: NewApp | undefined;
  /** The tokens that end with the other devices; undefined: nothing ends. */
  tokens: readonly Token[] | undefined;
}

interface LoadedProps {
  factors: Factors;
  devices: readonly Device[];
  onChange: () => Promise<void>;
  onEnded: () => Promise<void>;
}

function Loaded({ factors: { factors, recovery_codes, second_step, required }, devices, onChange, onEnded }: LoadedProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  const [target, setTarget] = useState("");
  const methods = useMethods();
  const [adding, setAdding] = useState<Adding>();
  const [codes, setCodes] = useState<readonly string[]>([]);

  /** Runs a change of one row, and says what it has done. */
  const act = useAction(async (on: string, change: () => Promise<string>) => {
    setTarget(on);
    setDone("");
    const message = await change();
    await onChange();
    setDone(message);
    if (message) heading.current?.focus(); // the button that had the focus was removed
  });
  /** Opens the part that adds a factor. What it ends is shown there, before the button that ends it. */
  const begin = useAction(async (kind: Factor["kind"]) => {
    setDone("");
    setTarget(kind);
    const app = kind === "totp" ? await api.beginApp() : undefined;
    const tokens = demanded || (kind === "passkey" && !second_step) ? undefined : await api.tokens();
    setAdding({ kind, app, tokens });
  });
  const cancelAdding = () => {
    setAdding(undefined);
    heading.current?.focus(); // the button that had the focus is removed
  };
  const added = async (kind: Factor["kind"], codes: string[]) => {
    setAdding(undefined);
    setCodes(codes);
    setDone(t.addedKind[kind]);
    await Promise.all([onChange(), onEnded()]);
    if (codes.length === 0) heading.current?.focus();
  };
  const demands = ({ kind }: Factor) => kind !== "passkey" || second_step;
  const demanded = factors.some(demands);
  const passkeysAlone = factors.length > 0 && factors.every(({ kind }) => kind === "passkey");
  const busy = (on: string) => (act.sending || begin.sending) && target === on;
  const passkeys = methods?.passkey === true && "PublicKeyCredential" in window;
  const addable: Factor["kind"][] = [
    ...(factors.some(({ kind }) => kind === "totp") ? [] : ["totp" as const]),
    ...(passkeys ? ["passkey" as const, "security_key" as const] : []),
  ];
  const ends = adding?.tokens && { devices, tokens: adding.tokens };
  const here = devices.find((device) => device.current);
  const perhapsLost = here?.methods.includes("rec") && factors.length > 0 && factors.every(({ created_at }) => created_at <= here.created_at);
  return (
    <>
      <h2 id="ways-heading" ref={heading} tabIndex={-1}>{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      <Problem error={act.error ?? begin.error} />
      {done && <Notice tone="good">{done}</Notice>}
      {perhapsLost && codes.length === 0 && <Notice tone="plain">{t.usedCode}</Notice>}
      {factors.length > 0 && codes.length === 0 && recovery_codes <= fewCodes && <Notice tone="bad">{t.codesFew(recovery_codes)}</Notice>}
      {factors.length === 0 && !adding && <p className="empty">{t.none}</p>}
      {factors.length > 0 && (
        <ul className="devices">
          {factors.map((factor) => (
            <Row
              key={factor.id}
              factor={factor}
              sure={t.removeSure(!factors.some((other) => other !== factor && demands(other)), factors.length === 1)}
              removing={busy(factor.id)}
              onRenamed={async (name) => {
                await onChange();
                setDone(t.renamed(name));
              }}
              onRemove={() => void act.run(factor.id, async () => {
                await api.removeFactor(factor);
                await onEnded();
                return t.removed(factor.name);
              })}
            />
          ))}
        </ul>
      )}
      {required && factors.length === 1 && <p className="field-hint">{t.required}</p>}
      {adding?.app && (
        <SetUpApp
          app={adding.app}
          ends={ends}
          onCode={async (code) => added("totp", await api.confirmApp({ id: adding.app!.id, code }))}
          onCancel={cancelAdding}
        />
      )}
      {adding && adding.kind !== "totp" && (
        <AddKey
          key={adding.kind}
          kind={adding.kind}
          ends={ends}
          onAdded={(codes) => added(adding.kind, codes)}
          onCancel={cancelAdding}
        />
      )}
      {codes.length > 0 && (
        <NewRecoveryCodes
          codes={codes}
          onKept={() => {
            setCodes([]);
            heading.current?.focus();
          }}
        />
      )}
      {!adding && addable.length > 0 && (
        <div className="row">
          {addable.map((kind) => (
            <Button key={kind} disabled={begin.sending} onClick={() => void begin.run(kind)}>{busy(kind) ? t.adding : t.addKey[kind]}</Button>
          ))}
        </div>
      )}
      {passkeysAlone && (
        <Setting name={t.step} what={second_step ? t.stepOn : t.stepOff}>
          {second_step ? (
            <Button disabled={busy("step")} onClick={() => void act.run("step", async () => {
              await api.setSecondStep(false);
              return t.stepStopped;
            })}>{t.stepStop}</Button>
          ) : (
            <Confirm question={t.stepAskSure} yes={t.stepAskYes} no={t.cancel} sending={busy("step")} onYes={() => void act.run("step", async () => {
              await api.setSecondStep(true);
              await onEnded();
              return t.stepAsked;
            })}>{t.stepAsk}</Confirm>
          )}
        </Setting>
      )}
      {factors.length > 0 && codes.length === 0 && (
        <Setting name={t.codesHeading} what={`${t.codesLeft(recovery_codes)} ${t.codesWhat}`}>
          <Confirm question={t.newCodesSure} yes={t.newCodesYes} no={t.cancel} sending={busy("codes")} onYes={() => void act.run("codes", async () => {
            setCodes(await api.renewRecoveryCodes());
            return "";
          })}>{t.newCodes}</Confirm>
        </Setting>
      )}
    </>
  );
}

interface SettingProps {
  name: string;
  what: string;
  children: React.ReactNode;
}

function Setting({ name, what, children }: SettingProps) {
  return (
    <div className="setting">
      <div>
        <h3>{name}</h3>
        <p className="muted">{what}</p>
      </div>
      {children}
    </div>
  );
}

interface RowProps {
  factor: Factor;
  sure: string;
  removing: boolean;
  onRenamed: (name: string) => Promise<void>;
  onRemove: () => void;
}

function Row({ factor, sure, removing, onRenamed, onRemove }: RowProps) {
  const [renaming, setRenaming] = useState(false);
  const opener = useReturnFocus(renaming);
  const { name, kind, created_at, last_used_at } = factor;
  return (
    <li className="device">
      <Drawing kind={kind} />
      <div className="device-text">
        <h3>{name}{name !== t.kinds[kind] && <span className="badge">{t.kinds[kind]}</span>}<Recent at={created_at} /></h3>
        <dl>
          <div><dt>{t.added}</dt><dd><time dateTime={created_at} title={formatFull(created_at)}>{formatDay(created_at)}</time></dd></div>
          <div><dt>{t.used}</dt><dd>{last_used_at ? timeAgo(last_used_at, Date.now()) ?? t.justNow : t.never}</dd></div>
        </dl>
        {renaming && (
          <Rename
            factor={factor}
            onCancel={() => setRenaming(false)}
            onRenamed={async (name) => {
              setRenaming(false);
              await onRenamed(name);
            }}
          />
        )}
      </div>
      {!renaming && (
        <div className="device-buttons">
          <Button ref={opener} label={t.renameNamed(name)} onClick={() => setRenaming(true)}>{t.rename}</Button>
          <Confirm label={t.removeNamed(name)} question={sure} yes={t.removeYes} no={t.cancel} sending={removing} onYes={onRemove}>{t.remove}</Confirm>
        </div>
      )}
    </li>
  );
}

interface RenameProps {
  factor: Factor;
  onRenamed: (name: string) => Promise<void>;
  onCancel: () => void;
}

function Rename({ factor, onRenamed, onCancel }: RenameProps) {
  const rename = useAction(async (name: string) => onRenamed((await api.renameFactor(factor.id, name)).name));
  return (
    <Form error={rename.error} sending={rename.sending} onSend={(field) => void rename.run(field("name"))}>
      <Problem error={rename.error} fields={["name"]} />
      <Field name="name" label={t.name} autoComplete="off" defaultValue={factor.name} errors={rename.error?.errors["name"]} autoFocus />
      <div className="row">
        <Button type="submit" disabled={rename.sending}>{rename.sending ? t.saving : t.save}</Button>
        <Button onClick={onCancel}>{t.cancel}</Button>
      </div>
    </Form>
  );
}

const drawings = {
  totp: "M8 3.5h8a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 19V5A1.5 1.5 0 0 1 8 3.5zM9.5 8.5h.01M12 8.5h.01M14.5 8.5h.01M9.5 11.5h.01M12 11.5h.01M14.5 11.5h.01M11 17.5h2",
  passkey: "M10 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3.5 20a6.5 6.5 0 0 1 9.5-5.8M18 12.5a2.5 2.5 0 1 0-1 4.8V21l1.5-1.5L17.5 18l1.5-1.5",
  security_key: "M4 9h11v6H4zM15 10.5h4.5v3H15zM7.5 12h.01",
} as const;

function Drawing({ kind }: { kind: Factor["kind"] }) {
  return (
    <svg className="drawing" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={drawings[kind]} />
    </svg>
  );
}
