import { AuthProvider } from "@cloakroom/client/react";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Route, Routes } from "react-router";
import { Account } from "./account.tsx";
import { auth } from "./api.ts";
import { Checking, Ticket } from "./parts/shell.tsx";
import { Reset } from "./reset.tsx";
import { takeSecret } from "./secret.ts";
import { Setup } from "./setup.tsx";
import { SignIn } from "./signin.tsx";
import { texts } from "./texts.ts";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/admin.css";

// Most people never see it.
const Admin = lazy(async () => ({ default: (await import("./admin/admin.tsx")).Admin }));

const root = document.getElementById("page")!;
const secret = takeSecret();

// To look at the sign-in is no use of the session. The store shares this answer.
if (location.pathname.startsWith("/signin")) void auth.refresh({ slide: false });

// A page brought back by the Back button shows what it showed when it was left, which may be an account that has been
// signed out since: ask before showing it.
window.addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  root.hidden = true;
  void auth.refresh({ slide: false }).finally(() => (root.hidden = false));
});

// The server gives this same document for each of these paths and for no other.
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
          <Route path="/auth/reset" element={<Reset secret={secret} />} />
          <Route path="/auth/account" element={<Account />} />
          <Route path="/auth/admin/*" element={<Suspense fallback={<Ticket><Checking /></Ticket>}><Admin /></Suspense>} />
          <Route path="*" element={<SignIn />} />
        </Routes>
      </BrowserRouter>
    </AuthProvider>
  </StrictMode>,
);
