import { useState } from "react";
import { auth, type User } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { useReturnFocus } from "./parts/use-return-focus.ts";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.ownData;

/** What is kept about the user, to take along, and the end of the account. It isn't shown where both are switched off. */
export function OwnData({ user }: { user: User }) {
  const methods = useMethods();
  if (!methods?.account_data && !methods?.account_deletion) return null;
  return (
    <section aria-labelledby="own-data-heading">
      <h2 id="own-data-heading">{t.heading}</h2>
      {methods.account_data && <TakeData />}
      {methods.account_deletion && <DeleteAccount username={user.username} />}
    </section>
  );
}

function TakeData() {
  const [taken, setTaken] = useState(false);
  const take = useAction(async () => {
    setTaken(false);
    save(await auth.client.takeData());
    setTaken(true);
  });
  return (
    <>
      <p className="intro">{t.intro}</p>
      <Problem error={take.error} />
      {taken && !take.sending && <Notice tone="good">{t.taken}</Notice>}
      <Button disabled={take.sending} onClick={() => void take.run()}>{take.sending ? t.taking : t.take}</Button>
    </>
  );
}

/** Has the browser save a file. */
function save(file: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "account.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after the click
}

function DeleteAccount({ username }: { username: string }) {
  const [asking, setAsking] = useState(false);
  const opener = useReturnFocus(asking);
  const remove = useAction(async (typed: string) => {
    await auth.deleteAccount(typed);
    return "leaving";
  });
  const wait = useRetryAfter(remove.error);
  const disabled = remove.sending || (remove.error?.status === 429 && wait > 0);
  return (
    <>
      <p className="intro">{t.deletion}</p>
      {!asking && <Button ref={opener} onClick={() => setAsking(true)}>{t.delete}</Button>}
      {asking && (
        <Form error={remove.error} sending={disabled} onSend={(field) => void remove.run(field("username"))}>
          <Problem error={remove.error} fields={["username"]} />
          <Field name="username" label={t.confirm(username)} autoComplete="off" autoFocus errors={remove.error?.errors["username"]} />
          <div className="row">
            <Button type="submit" variant="danger" disabled={disabled}>{remove.sending ? t.deleting : t.deleteYes}</Button>
            <Button disabled={remove.sending} onClick={() => setAsking(false)}>{t.deleteNo}</Button>
          </div>
        </Form>
      )}
    </>
  );
}
