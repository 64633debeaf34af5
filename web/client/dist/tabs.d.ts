export interface News {
    /** "changed" is a tab's; the others are the server's. */
    readonly type: "changed" | "session.ended" | "session.expiring" | "permissions.changed";
    readonly reason?: string | undefined;
    readonly expires_at?: string;
}
export interface Tabs {
    /** Listens, until `close`, to the other tabs, and to whether this one is looked at. */
    open(): void;
    close(): void;
    /** Tells the other tabs. */
    tell(news: News): void;
    /** Wants the stream of events, or no longer. */
    follow(wanted: boolean): void;
    /** Does what brings a new ticket; `settled`, of every tab, waits for it. */
    changing<Out>(act: () => Promise<Out>): Promise<Out>;
    settled(): Promise<void>;
}
/** `hear` is called with each piece of news, `wake` when something may have been missed. */
export declare function openTabs(url: URL, hear: (news: News) => void, wake: () => void): Tabs;
