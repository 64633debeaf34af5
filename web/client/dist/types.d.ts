export interface User {
    /** A number as in Django, or a string if the server's users have other keys. */
    id: number | string;
    username: string;
    /** May be empty. */
    email: string;
    first_name: string;
    last_name: string;
    /** Of messages to the user and of the pages, such as `de`. Absent if it isn't known. */
    language?: string;
    date_joined: string;
    last_login: string | null;
    is_staff: boolean;
    is_superuser: boolean;
    groups: string[];
    /** As `app.codename`: the user's own and those of the groups. A superuser has every permission, listed or not. */
    permissions: string[];
    /** What the server's program keeps with the user and shows to them. Absent if there is nothing. */
    extra?: Record<string, unknown>;
}
/** A session of the account: one device on which it is signed in. */
export interface Session {
    /** Identifies the session. It can't be used as a ticket. */
    id: string;
    /** Whether this is the session of the request. */
    current: boolean;
    created_at: string;
    /** Exact to a minute. */
    last_seen_at: string;
    /** When it ends unless it is used before. */
    expires_at: string;
    /** The address at sign-in; `user_agent` is from then, too. */
    ip: string;
    user_agent: string;
    /** The method of the sign-in: "password", "passkey", "basic", "setup" and others. */
    method: string;
    /** How the user has proven who they are in this session: words of RFC 8176, such as "pwd", "otp" and "mfa". */
    methods: string[];
    /** 2 if two factors were shown together, or one that is both, such as a passkey. */
    level: 1 | 2;
    /** Whether the session counts only in the browser that it began in, which holds a key for it. */
    bound: boolean;
}
export interface Credentials {
    /** The username or the e-mail address. */
    username: string;
    password: string;
    /** false: a cookie that ends with the browser, and shorter limits. Default: true. */
    remember?: boolean;
}
/** What a user goes to a provider for. */
export interface ProviderVisit {
    /**
     * "signin" (default); "link": to link the account there to the signed-in user, whose sign-in must be fresh; "reauthenticate": to make
     * the sign-in of a user fresh who has nothing else to show.
     */
    intent?: "signin" | "link" | "reauthenticate";
    /** Where the browser comes back to. */
    next?: string;
    /** As in {@link Credentials}. */
    remember?: boolean;
}
/** What is left to do after a sign-out. */
export interface SignedOut {
    /** Where the page goes next, by `location.assign`, to sign out at the provider of the session as well. The session here has ended. */
    end_session_url?: string;
}
/** What can be the second step of a sign-in. */
export type SecondFactor = "passkey" | "security_key" | "totp" | "recovery_code";
/** What a sign-in still waits for, as the server says it. */
export interface PendingStep {
    /**
     * "second": the user shows one of the factors. "enrol": the user has to set one of them up, since the server requires it;
     * "enrol_code": the same, after a mailed code. "code": the user enters the mailed code of the first step, and there are no factors.
     */
    kind: "second" | "enrol" | "enrol_code" | "code";
    factors: SecondFactor[];
    expires_at: string;
    /** What to ask the user's passkeys and security keys; absent if none works here. */
    passkey?: PasskeyRequest;
}
/** What proves again that the user is at the browser: the password, a code of an authenticator app or a recovery code, or both. */
export interface Proof {
    password?: string;
    code?: string;
    /** Of `sendReauthenticationCode`, for a user who has nothing else to show. It comes alone. */
    mailed_code?: string;
}
/** Something that a user signs in with besides the password. */
export interface Factor {
    id: string;
    kind: "totp" | "passkey" | "security_key";
    /** As the user calls it. */
    name: string;
    created_at: string;
    last_used_at: string | null;
    /** The domain that a passkey or security key was made for. */
    rp_id?: string;
    credential_id?: string;
}
export interface Factors {
    factors: Factor[];
    /** How many are left. */
    recovery_codes: number;
    /** Whether the user wants a second step after each password. */
    second_step: boolean;
    /** Whether the server demands a second step of this user. */
    required: boolean;
    /** What browsers know the user by; absent if the user has never added a passkey. */
    passkey?: {
        rp_id: string;
        user_id: string;
        name: string;
        display_name: string;
    };
}
export interface NewPasskey {
    /** As the user calls it. Default: "Passkey" or "Security key", and the date. */
    name?: string;
    /** A key that is a second factor only, and doesn't have to verify its user. */
    securityKey?: boolean;
}
/** A factor that was added. The recovery codes come with the first one, and are never shown again. */
export interface AddedFactor {
    factor: Factor;
    recovery_codes?: string[];
}
/** A sign-in that was completed by setting up a factor. */
export interface Enrolled extends AddedFactor {
    user: User;
}
/** Options for navigator.credentials.get, as JSON. */
export interface PasskeyRequest {
    publicKey: {
        challenge: string;
        /** How long the challenge can be answered, in milliseconds. */
        timeout: number;
        rpId: string;
        allowCredentials?: {
            type: "public-key";
            id: string;
            transports?: string[];
        }[];
        userVerification: "required" | "preferred";
    };
}
export interface PasswordChange {
    current_password: string;
    new_password: string;
}
/** A token for programs. */
export interface Token {
    /** Identifies the token. It can't be used as the token. */
    id: string;
    kind: "personal" | "drf" | "knox" | "refresh";
    name: string;
    /** The permissions of its owner that it may use. Empty: all of them. */
    scopes: string[];
    created_at: string;
    /** Exact to a minute. */
    last_used_at: string | null;
    /** null: never. */
    expires_at: string | null;
    /** The address of the request that created it; `user_agent` is from it, too. */
    ip: string;
    user_agent: string;
    /** The token itself; present only in the answer to its creation. */
    token?: string;
}
/** What the server offers to people who want in. */
export interface SignInMethods {
    password: boolean;
    passkey: boolean;
    /** A code that is mailed. */
    code: boolean;
    providers: {
        name: string;
        label: string;
    }[];
    signup: "open" | "invite" | "closed";
    /** An account can begin with a passkey in place of a password. */
    signup_passkey: boolean;
    /** That a user can have for messages and pages. Empty if the database has no place for it, as beside Django. */
    languages: string[];
    /** The server can send mail, such as for a forgotten password. */
    mail: boolean;
    /** Users can delete their accounts themselves. */
    account_deletion: boolean;
    /** Users can take along what is kept about them. */
    account_data: boolean;
}
export interface SignUp {
    /** The part of the mailed link after its # sign. */
    secret: string;
    /** One with an @ in it must be the address that the link was mailed to. */
    username: string;
    password: string;
}
/** An account that begins with a passkey in place of a password. */
export interface FirstPasskey extends Omit<SignUp, "password"> {
    /** Of the passkey, as the user calls it. Default: "Passkey". */
    name?: string;
}
export interface Setup {
    /** Whether there is no user yet, so that the first administrator has to be created. */
    needed: boolean;
    password_min_length: number;
}
export interface FirstAdministrator {
    /** The part of the one-time link after its # sign. */
    secret: string;
    username: string;
    email?: string;
    password: string;
}
/**
 * The code of a refusal, for programs to branch on. `KnownCode` has those that a page may meet; there are others. Three kinds
 * come from this client: "unreachable" if there was no answer, "passkey_failed" if the browser can't ask for a passkey here, and
 * "http_" with the status for an answer that isn't from Cloakroom, such as a proxy's error page.
 */
export type ErrorCode = KnownCode | "unreachable" | "passkey_failed" | (string & {});
export type KnownCode = "not_authenticated" | "session_ended" | "device_unproven" | "two_session_cookies" | "invalid_credentials" | "second_factor_required" | "second_factor_enrolment_required" | "pending_ended" | "passkey_unknown" | "passkey_changed" | "passkeys_off" | "permission_denied" | "csrf_failed" | "fresh_sign_in_required" | "full_sign_in_required" | "second_factor_needed" | "own_factor_required" | "last_way_in" | "last_administrator" | "account_needed" | "provider_unavailable" | "last_factor" | "too_many_factors" | "factor_exists" | "no_factor" | "setup_link_invalid" | "mail_not_configured" | "mailed_code_off" | "no_proven_address" | "link_invalid" | "signup_closed" | "invalid" | "not_found" | "unknown_host" | "throttled" | "busy" | "unavailable" | "stopping" | "server_error";
