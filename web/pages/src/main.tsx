import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { Account } from "./account.tsx";
import { Setup, takeSecret } from "./setup.tsx";
import { SignIn } from "./signin.tsx";
import { texts } from "./texts.ts";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";

// The server gives this same document for each of the three paths and for no other.
function page(path: string): ReactNode {
  if (path.startsWith("/auth/setup")) return <Setup secret={takeSecret()} />;
  if (path.startsWith("/auth/account")) return <Account />;
  return <SignIn />;
}

const root = document.getElementById("page")!;
createRoot(root, {
  onUncaughtError: (error) => {
    console.error(error);
    root.textContent = texts.broken;
  },
}).render(<StrictMode>{page(location.pathname)}</StrictMode>);
