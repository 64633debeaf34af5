import { Link, useNavigate } from "react-router";
import type { User } from "../api.ts";
import { PasswordField } from "../parts/field.tsx";
import { Heading } from "../parts/layout.tsx";
import { texts } from "../texts.ts";
import { usePasswordLength } from "../use-password-length.ts";
import { adminPath, mutations, useAdminMutation } from "./queries.ts";
import { UserForm } from "./user-form.tsx";

const t = texts.admin.user;

export function NewUser({ me }: { me: User }) {
  const navigate = useNavigate();
  const min = usePasswordLength();
  const create = useAdminMutation(mutations.createUser, "gone");
  return (
    <>
      <p><Link to={adminPath("users")}>{texts.admin.users.back}</Link></p>
      <Heading page={t.newHeading} focus>{t.newHeading}</Heading>
      <section className="panel">
        <UserForm
          me={me}
          error={create.error}
          sending={create.isPending}
          submit={t.create}
          onSend={(user, field) => {
            const password = field("password");
            create.mutate({ ...user, ...(password && { password }) }, {
              onSuccess: ({ id }) => void navigate(adminPath(`users/${id}`), { replace: true, state: { done: t.created } }),
            });
          }}
        >
          <PasswordField name="password" label={texts.field.password} note={t.passwordNote} required={false} autoComplete="new-password" min={min}
            errors={create.error?.errors["password"]} />
        </UserForm>
      </section>
    </>
  );
}
