import type { AuthState } from "@cloakroom/client";
import { AuthProvider } from "@cloakroom/client/react";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Route, Routes } from "react-router";
import { Account } from "./account.tsx";
import { auth } from "./api.ts";
import { Verify } from "./email.tsx";
import { Forgot } from "./forgot.tsx";
import { takeLinkSecret } from "./link-secret.ts";
import { Loading, TicketCard } from "./parts/layout.tsx";
import { Reset } from "./reset.tsx";
import { Revert } from "./revert.tsx";
import { Setup } from "./setup.tsx";
import { SignIn } from "./signin.tsx";
import { SignUp, Welcome } from "./signup.tsx";
import { texts } from "./texts.ts";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/admin.css";

// Loaded when it is opened: most people never are administrators.
const Admin = lazy(async () => ({ default: (await import("./admin/admin.tsx")).Admin }));

const root = document.getElementById("page")!;
const secret = takeLinkSecret();

// Opening the sign-in page must not extend a session. The components share the answer of this request.
if (location.pathname.startsWith("/signin")) void auth.refresh({ slide: false }).then(findPending);

/** Finds the second step that is due after a visit to a provider, also if another page than this one led there. */
async function findPending({ status }: AuthState): Promise<void> {
  if (secret === "pending" && status !== "pending") await auth.client.pending().then(auth.adopt, () => undefined);
}

// A page that the Back button restores shows its old content, which may belong to an account that has signed out since.
// It stays hidden until the server has answered.
window.addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  root.hidden = true;
  void auth.refresh({ slide: false }).finally(() => (root.hidden = false));
});

// The server sends this document for each of these paths and for no other path.
createRoot(root, {
  onUncaughtError: (error) => {
    console.error(error);
    root.textContent = texts.broken;
  },
}).render(
  <StrictMode>
    <AuthProvider auth={auth}>
      <BrowserRouter>
        <Routes>
          <Route path="/auth/setup" element={<Setup secret={secret} />} />
          <Route path="/auth/forgot" element={<Forgot />} />
          <Route path="/auth/revert" element={<Revert secret={secret} />} />
          <Route path="/auth/signup" element={<SignUp />} />
          <Route path="/auth/welcome" element={<Welcome secret={secret} />} />
          <Route path="/auth/verify" element={<Verify secret={secret} />} />
          <Route path="/auth/reset" element={<Reset secret={secret} />} />
          <Route path="/auth/account" element={<Account fragment={secret} />} />
          <Route path="/auth/admin/*" element={<Suspense fallback={<TicketCard><Loading /></TicketCard>}><Admin /></Suspense>} />
          <Route path="*" element={<SignIn fragment={secret} />} />
        </Routes>
      </BrowserRouter>
    </AuthProvider>
  </StrictMode>,
);
