"use client";

import { createContext, createElement, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import type { Auth, AuthState, Pending } from "./auth.js";
import { idle, signInActions, type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";

// The state that a server rendered. React hydrates with it, however late, and then renders the current state.
const rendered: AuthState = { status: "loading" };
const onServer = () => rendered;

const Context = createContext<Auth | undefined>(undefined);

export interface AuthProviderProps {
  auth: Auth;
  children?: ReactNode;
}

/** Provides the {@link Auth} to the components below it, and keeps its state up to date while it is mounted. */
export function AuthProvider({ auth, children }: AuthProviderProps): ReactNode {
  useEffect(() => auth.subscribe(() => {}), [auth]);
  return createElement(Context.Provider, { value: auth }, children);
}

/** The state (`status`, `user`, …) and the functions of the {@link Auth} (`login`, `logout`, `fetch`, …) in one object. */
export function useAuth(): AuthState & Auth {
  const auth = useContext(Context);
  if (!auth) throw new Error("useAuth needs an <AuthProvider auth={…}> above it");
  const state = useSyncExternalStore(auth.subscribe, auth.getState, onServer);
  return useMemo(() => ({ ...auth, ...state }), [auth, state]);
}

export interface SignInForm extends SignInActions, SignInProgress {
  /** Set while the second step is due. */
  readonly pending: Pending | undefined;
  /** Set after the user has set up a second factor: show them until `codesKept` is called. */
  readonly recoveryCodes: readonly string[] | undefined;
}

/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export function useSignIn({ autofill = false }: SignInOptions = {}): SignInForm {
  const auth = useAuth();
  const [progress, setProgress] = useState(idle);
  const { getState } = auth; // the same as long as the Auth is
  const { autofill: offer, ...actions } = useMemo(() => signInActions(auth, setProgress), [getState]);
  const offered = autofill && auth.status === "anonymous";
  useEffect(() => (offered ? offer() : undefined), [offered, offer]);
  return { ...actions, ...progress, pending: auth.pending, recoveryCodes: auth.recoveryCodes };
}

export interface RequireAuthProps {
  children?: ReactNode;
  /**
   * Shown if no one is signed in, also while a second step is due, and until the recovery codes of one are kept: a sign-in form, or a
   * link to one.
   */
  signIn: ReactNode;
  /** Shown until it is known whether a user is signed in. */
  loading?: ReactNode;
  /** Shown during an outage, unless a user was signed in before it. Default: `loading`. */
  unavailable?: ReactNode;
}

/** Shows its children to a signed-in user, also during an outage. It only hides things: the server has to protect the data. */
export function RequireAuth({ children, signIn, loading, unavailable = loading }: RequireAuthProps): ReactNode {
  const { status, user, recoveryCodes } = useAuth();
  if (user && !recoveryCodes) return children;
  if (user || status === "anonymous" || status === "pending") return signIn;
  return status === "loading" ? loading : unavailable;
}
