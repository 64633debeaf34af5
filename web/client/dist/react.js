"use client";
import { createContext, createElement, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
// What a server rendered, which knows nobody. React hydrates with it, however late, and then takes the present state.
const rendered = { status: "loading" };
const onServer = () => rendered;
const Context = createContext(undefined);
/** Gives the components below it who is signed in, and keeps that true while it is mounted. */
export function AuthProvider({ auth, children }) {
    useEffect(() => auth.subscribe(() => { }), [auth]);
    return createElement(Context.Provider, { value: auth }, children);
}
/** The state, `status` and `user` above all, and what to do: `login`, `logout`, `fetch` and the rest of the {@link Auth}. */
export function useAuth() {
    const auth = useContext(Context);
    if (!auth)
        throw new Error("useAuth needs an <AuthProvider auth={…}> above it");
    const state = useSyncExternalStore(auth.subscribe, auth.getState, onServer);
    return useMemo(() => ({ ...auth, ...state }), [auth, state]);
}
/** Shows its children to who is signed in, also through an outage. It hides; what may be read is for the server to decide. */
export function RequireAuth({ children, signIn, loading, unavailable = loading }) {
    const { status, user } = useAuth();
    if (user)
        return children;
    return status === "anonymous" ? signIn : status === "loading" ? loading : unavailable;
}
