/* The API of the application that serves this console. Types come from its OpenAPI document. */
import type { components, paths } from "../generated/api";
import { endsSoon, keep, renew, token } from "./signing";

export type Schemas = components["schemas"];
export type Page = Schemas["FollowedPage"];
export type LoggedCommit = Schemas["FollowedCommit"];
export type Commit = Schemas["CommitShown"];
export type Reader = Schemas["ReaderShown"];

/** A problem (RFC 9457) as an error whose message is for people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

// The console is served at …/console/index.html.
const base = new URL("..", location.href.split(/[?#]/)[0]);

// The link that `leftfold run` prints has an access token: …/console#token=….
const linked = /^#token=([\w.~+/=-]+)$/.exec(location.hash)?.[1];
if (linked) {
  keep(linked);
  history.replaceState(null, "", "#/");
}

/** The name of the event that tells that the server takes no request without another token. */
export const SIGNED_OUT = "signed-out";

/** Keeps the token that somebody has given, and begins anew with it. */
export function signIn(given: string): void {
  keep(given);
  location.reload();
}

/**
 * Sends a request with the token, or with another one if that has ended. Throws a problem if nobody
 * answers, or if there is no token that is taken.
 */
async function ask(to: URL, init: RequestInit): Promise<Response> {
  if (endsSoon()) await renew();
  const used = token();
  let answer = await sent(to, init);
  if (answer.status === 401 && (token() !== used || (await renew()))) answer = await sent(to, init);
  if (answer.status === 401) {
    dispatchEvent(new CustomEvent(SIGNED_OUT, { detail: Boolean(used) }));
    throw new Problem(401, "token-missing", "Sign in to see this.");
  }
  return answer;
}

async function sent(to: URL, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const kept = token();
  if (kept) headers.set("Authorization", `Bearer ${kept}`);
  try {
    return await fetch(to, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The server cannot be reached.");
  }
}

type Get = { [P in keyof paths]: paths[P] extends { get: object } ? P : never }[keyof paths];
type Answer<P extends Get> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;
type Parts = Record<string, string | number>;
type Query = Record<string, string | number | undefined>;

function url(path: string, parts: Parts, query: Query): URL {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts[name])));
  const made = new URL(filled.slice(1), base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") made.searchParams.set(name, String(value));
  }
  return made;
}

async function send(to: URL, init: RequestInit): Promise<unknown> {
  return body(await ask(to, init));
}

/** The JSON of an answer. Throws its problem. */
async function body(answer: Response): Promise<unknown> {
  const text = await answer.text();
  let parsed: unknown = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(answer.status, "unreadable", `The server answered ${answer.status}, and not in JSON.`);
  }
  if (!answer.ok) {
    const told = (parsed ?? {}) as { code?: string; detail?: string; title?: string };
    throw new Problem(answer.status, told.code ?? "unknown", told.detail ?? told.title ?? `Status ${answer.status}`);
  }
  return parsed;
}

/** GET of a path of the OpenAPI document. */
export async function get<P extends Get>(path: P, parts: Parts = {}, query: Query = {}, signal?: AbortSignal): Promise<Answer<P>> {
  return (await send(url(path, parts, query), signal ? { signal } : {})) as Answer<P>;
}

/** Waits for some seconds, or until *signal*. */
function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((over) => {
    const timer = window.setTimeout(over, 1000 * seconds);
    const end = () => {
      clearTimeout(timer);
      over();
    };
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Calls *heard* with the answer of a GET, and with each other answer that it has later. */
export async function watch<P extends Get>(
  path: P,
  parts: Parts,
  query: Query,
  heard: (answer: Answer<P>) => void,
  signal: AbortSignal,
): Promise<void> {
  let known = "";
  while (!signal.aborted) {
    const twin = url(`/live${path}`, parts, { ...query, wait: 20 });
    const answer = await ask(twin, { signal, cache: "no-store", headers: known ? { "If-None-Match": known } : {} });
    if (answer.status === 304) continue;
    if (answer.status === 429) {
      // As many requests of the tenant are live as may be at a time: the query itself answers still.
      heard(await get(path, parts, query, signal));
      await pause(Number(answer.headers.get("Retry-After")), signal);
      continue;
    }
    heard((await body(answer)) as Answer<P>);
    known = answer.headers.get("ETag") ?? "";
  }
}

type Post = { [P in keyof paths]: paths[P] extends { post: object } ? P : never }[keyof paths];
type Posted<P extends Post> = paths[P] extends {
  post: { responses: Partial<Record<200 | 201 | 202, { content: { "application/json": infer Body } }>> };
}
  ? Body
  : never;

/** POST to a path of the OpenAPI document. */
export async function post<P extends Post>(path: P, parts: Parts, query: Query, sent: object): Promise<Posted<P>> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent) };
  return (await send(url(path, parts, query), init)) as Posted<P>;
}
