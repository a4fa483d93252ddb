/* The parts that all pages are made of. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { date, decimal, duration, parts, time } from "./format";
import { type Loaded, toStream } from "./state";

/** The reader's own time; UTC on hover. */
export function Time({ at, short = false }: { at: string; short?: boolean }) {
  const utc = `${at.slice(0, 10)} ${at.slice(11, 23)} UTC`;
  return (
    <time class="nowrap" dateTime={at} title={utc}>
      {!short && <span class="muted">{date(at)} </span>}
      {time(at)}
    </time>
  );
}

/** An amount. A booking is a change, so a minus there is nothing to look at in red. */
export function Money({ of, plain = false, change = false }: { of: { amount: string; currency: string }; plain?: boolean; change?: boolean }) {
  const negative = !change && of.amount.startsWith("-");
  return (
    <span class={negative ? "money negative" : "money"}>
      {decimal(of.amount)}
      {!plain && <span class="currency">{of.currency}</span>}
    </span>
  );
}

export function StreamLink({ stream, version }: { stream: string; version?: number }) {
  const { category, key } = parts(stream);
  return (
    <a class="mono" href={toStream(stream, version)}>
      <span class="muted">{category}-</span>
      {key}
      {version !== undefined && <span class="muted">@{version}</span>}
    </a>
  );
}

export function Chip({ tone = "plain", children }: { tone?: "plain" | "good" | "warn" | "bad" | "accent"; children: ComponentChildren }) {
  return <span class={`chip ${tone}`}>{children}</span>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failed({ error, again, cure = "Try again" }: { error: Error; again: () => void; cure?: string }) {
  return (
    <div class="failed" role="alert">
      <strong>That did not work</strong>
      <p>{error.message}</p>
      <button type="button" onClick={again}>{cure}</button>
    </div>
  );
}

/** What is loaded, or why it is not there. */
export function Show<T>({ of, rows = 6, children }: { of: Loaded<T>; rows?: number; children: (value: T) => ComponentChildren }) {
  if (of.value !== undefined) return <>{children(of.value)}</>;
  if (of.error) return <Failed error={of.error} again={of.again} />;
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} class="bone" data-width={at % 3} />
      ))}
    </div>
  );
}

export function Title({ children, aside, note }: { children: ComponentChildren; aside?: ComponentChildren; note?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${heading.current?.textContent ?? ""} · Leftfold`;
  });
  return (
    <header class="title">
      <div>
        <h1 ref={heading}>{children}</h1>
        {note && <p class="muted">{note}</p>}
      </div>
      {aside && <div class="aside">{aside}</div>}
    </header>
  );
}

export function Figures({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="figures">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Tabs({ of, at, to, label }: { of: string[]; at: string; to: (tab: string) => void; label: string }) {
  return (
    <div class="tabs" role="tablist" aria-label={label}>
      {of.map((tab) => (
        <button key={tab} role="tab" aria-selected={tab === at} onClick={() => to(tab)}>
          {tab}
        </button>
      ))}
    </div>
  );
}

/** A list of any length: only the rows that can be seen are in the page. */
export function Rows<T>({
  of,
  height,
  label,
  row,
  more,
  at,
}: {
  of: T[];
  height: number;
  label: string;
  row: (item: T, index: number) => JSX.Element;
  more?: (() => void) | undefined;
  at?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 800 });
  const measure = () => {
    const one = box.current;
    if (one) setSeen({ top: one.scrollTop, height: one.clientHeight });
  };
  // A box without rows has no height to see, so it is measured again with the rows that come.
  useLayoutEffect(measure, [of.length]);
  useEffect(() => {
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  useEffect(() => {
    const one = box.current;
    if (!one || at === undefined || at < 0) return;
    const top = at * height;
    if (top < one.scrollTop) one.scrollTop = top;
    else if (top + height > one.scrollTop + one.clientHeight) one.scrollTop = top + height - one.clientHeight;
  }, [at, height]);
  const first = Math.max(0, Math.floor(seen.top / height) - 8);
  const last = Math.min(of.length, Math.ceil((seen.top + seen.height) / height) + 8);
  useEffect(() => {
    if (more && last >= of.length - 4) more();
  }, [last, of.length, more]);
  return (
    <div class="rows" style={{ height: `min(${of.length * height + 2}px, 64vh)` }} ref={box} onScroll={measure} tabIndex={0} role="region" aria-label={label}>
      <div class="runway" style={{ height: `${of.length * height}px` }}>
        {of.slice(first, last).map((item, offset) => (
          <div key={first + offset} class="row-at" style={{ top: `${(first + offset) * height}px`, height: `${height}px` }}>
            {row(item, first + offset)}
          </div>
        ))}
      </div>
    </div>
  );
}

type Flat = Map<string, string>;

function flat(value: unknown, at = "", into: Flat = new Map()): Flat {
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value);
    if (members.length === 0) into.set(at, Array.isArray(value) ? "[]" : "{}");
    for (const [name, inner] of members) flat(inner, at ? `${at}.${name}` : name, into);
  } else if (value !== undefined) {
    into.set(at || "value", JSON.stringify(value));
  }
  return into;
}

/** Two values side by side, member by member. */
export function Difference({
  before,
  after,
  names = ["before", "after"],
  caption,
}: {
  before: unknown;
  after: unknown;
  names?: [string, string];
  caption: string;
}) {
  const [whole, setWhole] = useState(false);
  const old = before === null ? new Map<string, string>() : flat(before);
  const now = after === null ? new Map<string, string>() : flat(after);
  const paths = [...new Set([...old.keys(), ...now.keys()])];
  const changed = paths.filter((path) => old.get(path) !== now.get(path));
  const shown = whole ? paths : changed;
  return (
    <div class="difference">
      <div class="bar">
        <span class="muted">
          {changed.length === 0 ? "Nothing differs" : `${changed.length} of ${paths.length} members differ`}
        </span>
        {paths.length > changed.length && (
          <button class="quiet" aria-pressed={whole} onClick={() => setWhole(!whole)}>
            {whole ? "Only what differs" : "Show all"}
          </button>
        )}
      </div>
      {shown.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
          <table class="plain">
            <caption class="hidden">{caption}</caption>
            <thead>
              <tr>
                <th scope="col">Member</th>
                <th scope="col">{names[0]}</th>
                <th scope="col">{names[1]}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((path) => (
                <tr key={path} class={old.get(path) === now.get(path) ? "same" : "differs"}>
                  <th scope="row" class="mono">{path}</th>
                  <td class="mono was">{old.get(path) ?? <span class="none">none</span>}</td>
                  <td class="mono is">{now.get(path) ?? <span class="none">none</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

/** An event's body: its members, an amount as an amount. */
export function Body({ of }: { of: Record<string, unknown> }) {
  const members = Object.entries(of).filter(([, value]) => value !== null && value !== "");
  if (members.length === 0) return <p class="muted small">No members.</p>;
  return (
    <dl class="members">
      {members.map(([name, value]) => (
        <div key={name}>
          {/* A long name breaks before a capital. */}
          <dt>{name.split(/(?=[A-Z])/).flatMap((part, at) => (at ? [<wbr key={at} />, part] : [part]))}</dt>
          <dd>
            <Value of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ of }: { of: unknown }): JSX.Element {
  if (of !== null && typeof of === "object") {
    const keys = Object.keys(of);
    if (keys.length === 2 && "amount" in of && "currency" in of) {
      return <Money of={of as { amount: string; currency: string }} />;
    }
    if (keys.length > 0 && !Array.isArray(of)) return <Body of={of as Record<string, unknown>} />;
    return <code class="json">{JSON.stringify(of, null, 1)}</code>;
  }
  return <span>{typeof of === "string" ? of : JSON.stringify(of)}</span>;
}

export function Waits({ seconds }: { seconds: number }) {
  return <span class={seconds > 300 ? "negative" : seconds > 10 ? "warned" : ""}>{seconds ? duration(seconds) : "—"}</span>;
}
