"use client";
import { createContext, createElement, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
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
/** Shows its children to a signed-in user, also during an outage. It only hides things: the server has to protect the data. */
export function RequireAuth({ children, signIn, loading, unavailable = loading }) {
    const { status, user } = useAuth();
    if (user)
        return children;
    return status === "anonymous" ? signIn : status === "loading" ? loading : unavailable;
}
