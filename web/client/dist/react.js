"use client";
import { createContext, createElement, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { idle, signInActions } from "./signin.js";
// The state that a server rendered. React hydrates with it, however late, and then renders the current state.
const rendered = { status: "loading" };
const onServer = () => rendered;
const Context = createContext(undefined);
/** Provides the {@link Auth} to the components below it, and keeps its state up to date while it is mounted. */
export function AuthProvider({ auth, children }) {
    useEffect(() => auth.subscribe(() => { }), [auth]);
    return createElement(Context.Provider, { value: auth }, children);
}
/** The state (`status`, `user`, …) and the functions of the {@link Auth} (`login`, `logout`, `fetch`, …) in one object. */
export function useAuth() {
    const auth = useContext(Context);
    if (!auth)
        throw new Error("useAuth needs an <AuthProvider auth={…}> above it");
    const state = useSyncExternalStore(auth.subscribe, auth.getState, onServer);
    return useMemo(() => ({ ...auth, ...state }), [auth, state]);
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export function useSignIn({ autofill = false } = {}) {
    const auth = useAuth();
    const [progress, setProgress] = useState(idle);
    const { getState } = auth; // the same as long as the Auth is
    const { autofill: offer, ...actions } = useMemo(() => signInActions(auth, setProgress), [getState]);
    const offered = autofill && auth.status === "anonymous";
    useEffect(() => (offered ? offer() : undefined), [offered, offer]);
    return { ...actions, ...progress, pending: auth.pending, recoveryCodes: auth.recoveryCodes };
}
/** Shows its children to a signed-in user, also during an outage. It only hides things: the server has to protect the data. */
export function RequireAuth({ children, signIn, loading, unavailable = loading }) {
    const { status, user, recoveryCodes } = useAuth();
    if (user && !recoveryCodes)
        return children;
    if (user || status === "anonymous" || status === "pending")
        return signIn;
    return status === "loading" ? loading : unavailable;
}
