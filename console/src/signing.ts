/* Signing in at the stage's issuer: OpenID Connect, by authorisation code with PKCE. */

/** Where people sign in, as the application is configured; without one they paste a token. */
export interface Issuer {
  authorize: string;
  token: string;
  client: string;
  scope: string;
}

// What waits for the way back from the issuer, and the access token. Both are this tab's, and are
// gone when it is closed. The refresh token is never written down: it is lost with the page.
const WAITING = "leftfold-signing-in";
const KEPT = "leftfold-token";
// Milliseconds before its end at which a token is no longer used.
const SOON = 20_000;

const page = new URL("index.html", location.href.split(/[?#]/)[0]).href;
let refresh = "";
let ends = 0;
let issuer: Promise<Issuer | null> | undefined;
let refreshing: Promise<boolean> | undefined;

/** The issuer; null where there is none. */
export function issuerOf(): Promise<Issuer | null> {
  issuer ??= fetch(new URL("settings.json", page), { cache: "no-store" })
    .then(async (answer) => (answer.ok ? ((await answer.json()) as { signIn: Issuer | null }).signIn : null))
    .catch(() => null);
  return issuer;
}

export const token = (): string | null => sessionStorage.getItem(KEPT);

export function keep(given: string): void {
  sessionStorage.setItem(KEPT, given.trim());
}

export function signOut(): void {
  sessionStorage.removeItem(KEPT);
  refresh = "";
  location.reload();
}

const inBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const random = () => inBase64(crypto.getRandomValues(new Uint8Array(32)));

/** Leaves for the issuer, which sends people back to this page. */
export async function leave(to: Issuer): Promise<void> {
  const waiting = { verifier: random(), state: random(), nonce: random(), place: location.hash };
  sessionStorage.setItem(WAITING, JSON.stringify(waiting));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(waiting.verifier));
  const asked = {
    response_type: "code",
    client_id: to.client,
    redirect_uri: page,
    scope: to.scope,
    state: waiting.state,
    nonce: waiting.nonce,
    code_challenge: inBase64(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  location.assign(`${to.authorize}?${new URLSearchParams(asked)}`);
}

/** Takes what the issuer has sent people back with. Throws an error that says what is wrong. */
export async function arrive(): Promise<void> {
  const given = new URLSearchParams(location.search);
  if (!given.has("code") && !given.has("error")) return;
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null") as
    | { verifier: string; state: string; nonce: string; place: string }
    | null;
  // A code is good for once, and belongs into no history.
  sessionStorage.removeItem(WAITING);
  history.replaceState(null, "", page + (waiting?.place ?? ""));
  if (given.has("error")) throw new Error(given.get("error_description") ?? given.get("error") ?? "");
  const to = await issuerOf();
  if (!to || !waiting?.state || given.get("state") !== waiting.state) throw new Error("This sign-in did not begin in this tab. Sign in again.");
  const found = await ask(to, {
    grant_type: "authorization_code",
    code: given.get("code") ?? "",
    redirect_uri: page,
    code_verifier: waiting.verifier,
  });
  if (!found) throw new Error("The issuer did not take its own code. Sign in again.");
  // It came from the issuer itself, over TLS: its signature would say no more.
  const claims = claimsOf(found.id_token);
  if (claims.nonce !== waiting.nonce || ![claims.aud].flat().includes(to.client)) {
    throw new Error("The issuer answered another sign-in. Sign in again.");
  }
  take(found);
}

interface Tokens {
  access_token: string;
  id_token?: string;
  refresh_token?: string;
  expires_in?: number;
}

function take(found: Tokens): void {
  keep(found.access_token);
  refresh = found.refresh_token ?? refresh;
  ends = found.expires_in ? Date.now() + found.expires_in * 1000 : 0;
}

function claimsOf(jwt: string | undefined): { nonce?: string; aud?: string | string[] } {
  try {
    const text = atob((jwt ?? "").split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? "");
    return JSON.parse(text) as { nonce?: string; aud?: string };
  } catch {
    return {};
  }
}

/** The issuer's tokens; null if it gives none. Throws if it cannot be reached. */
async function ask(to: Issuer, form: Record<string, string>): Promise<Tokens | null> {
  const answer = await fetch(to.token, {
    method: "POST",
    body: new URLSearchParams({ ...form, client_id: to.client }),
    credentials: "omit",
  });
  return answer.ok ? ((await answer.json()) as Tokens) : null;
}

/** Whether the token of this tab ends soon, as far as anybody has said when it does. */
export const endsSoon = (): boolean => ends > 0 && Date.now() > ends - SOON;

/** Gets another access token, once for all who ask at the same time; false if there is none. */
export function renew(): Promise<boolean> {
  refreshing ??= renewed().finally(() => (refreshing = undefined));
  return refreshing;
}

async function renewed(): Promise<boolean> {
  const to = await issuerOf();
  if (!to || !refresh) return false;
  try {
    const found = await ask(to, { grant_type: "refresh_token", refresh_token: refresh });
    if (found) take(found);
    else refresh = "";
    return found !== null;
  } catch {
    return false;
  }
}
