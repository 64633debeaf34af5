export interface News {
    /** "changed" comes from a tab, or when an event may have been missed; the others come from the server. */
    readonly type: "changed" | "session.ended" | "session.expiring" | "permissions.changed";
    readonly reason?: string | undefined;
    /** Absent in a "session.expiring" of a tab that has used the session. */
    readonly expires_at?: string;
}
export interface Tabs {
    /** Listens, until `close`, to the other tabs, and to whether this page is visible. */
    open(): void;
    close(): void;
    /** Tells the other tabs. */
    tell(news: News): void;
    /** Says whether this tab needs the stream of events. */
    follow(wanted: boolean): void;
    /** Runs a request that brings a new ticket. `settled`, in every tab, waits for it. */
    changing<Out>(act: () => Promise<Out>): Promise<Out>;
    settled(): Promise<void>;
}
/** `hear` is called with each piece of news, and `wake` when news may have been missed. */
export declare function openTabs(url: URL, hear: (news: News) => void, wake: () => void): Tabs;
