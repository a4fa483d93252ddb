import "./language";
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { SIGNED_OUT, signIn } from "./api";
import { Account, Accounts, Statement, Transfer, Transfers } from "./pages/accounts";
import { Ledger, Ledgers } from "./pages/ledgers";
import { Log } from "./pages/log";
import { Model } from "./pages/model";
import { Readers } from "./pages/readers";
import { Stream, Streams } from "./pages/streams";
import { arrive, type Issuer, issuerOf, leave, signOut, token } from "./signing";
import { link, type Place, useKeys, usePlace } from "./state";
import { Empty, Title } from "./ui";
import "./style.css";

const PAGES: [page: string, name: string, key: string, icon: string][] = [
  ["streams", "Streams", "1", "M3 5c5 0 5 4 9 4s4-4 9-4M3 12c5 0 5 4 9 4s4-4 9-4M3 19c5 0 5 2 9 2s4-2 9-2"],
  ["log", "Log", "2", "M4 6h16M4 12h16M4 18h10"],
  ["readers", "Readers", "3", "M4 19V9M10 19V5M16 19v-7M21 19H3"],
  ["accounts", "Accounts", "4", "M3 10 12 4l9 6M5 10v8M10 10v8M14 10v8M19 10v8M3 20h18"],
  ["ledgers", "Ledgers", "5", "M5 4h14v16H5zM9 4v16M12 9h4M12 13h4"],
  ["model", "Event model", "6", "M4 5h6v5H4zM14 14h6v5h-6zM10 7.5h4a3 3 0 0 1 3 3V14"],
];

function Page({ at }: { at: Place }) {
  const [first, second, third] = at.path;
  const version = (text: string | undefined) => (text && /^\d{1,15}$/.test(text) ? Number(text) : undefined);
  switch (at.page) {
    case "streams":
      return first && second ? <Stream key={`${first} ${second}`} category={first} id={second} version={version(third)} tenant={at.query.get("tenant") ?? undefined} /> : <Streams />;
    case "log":
      return <Log correlation={at.query.get("correlation") ?? ""} position={version(first)} />;
    case "readers":
      return <Readers name={first} />;
    case "accounts":
      if (first === "transfers") return second ? <Transfer key={second} id={second} /> : <Transfers />;
      if (first && second === "statements" && version(third)) return <Statement id={first} number={Number(third)} />;
      return first ? <Account key={first} id={first} /> : <Accounts />;
    case "ledgers":
      return first ? <Ledger key={first} id={first} /> : <Ledgers />;
    case "model":
      return <Model />;
    default:
      return (
        <>
          <Title>Nothing is here</Title>
          <Empty title="There is no such page">Choose one on the left.</Empty>
        </>
      );
  }
}

function SignIn({ expired, wrong }: { expired: boolean; wrong: string }) {
  const [given, setGiven] = useState("");
  const [issuer, setIssuer] = useState<Issuer | null>();
  useEffect(() => void issuerOf().then(setIssuer), []);
  const pasting = (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (given.trim()) signIn(given);
      }}
    >
      <label for="token">Access token</label>
      <textarea id="token" rows={6} required autocomplete="off" spellcheck={false} value={given} onInput={(event) => setGiven(event.currentTarget.value)} />
      <p class="muted small">
        <code>./leftfold token --operator</code> prints one. It stays in this tab and is gone when the tab is closed.
      </p>
      <button class={issuer ? "" : "primary"}>Use this token</button>
    </form>
  );
  return (
    <section class="sign-in" aria-label="Sign in">
      <Title note={expired ? "The access token has expired, or this application does not take it." : "Every request needs an access token."}>Sign in</Title>
      {wrong && (
        <div class="failed" role="alert">
          <strong>Nobody is signed in</strong>
          <p>{wrong}</p>
        </div>
      )}
      {issuer && (
        <>
          <button class="primary wide" onClick={() => void leave(issuer)}>Sign in at {new URL(issuer.authorize).host}</button>
          <details>
            <summary>Use an access token instead</summary>
            {pasting}
          </details>
        </>
      )}
      {issuer === null && pasting}
    </section>
  );
}

type Theme = "light" | "dark" | "";

function kept(): Theme {
  const theme = localStorage.getItem("leftfold-theme");
  return theme === "light" || theme === "dark" ? theme : "";
}

function App({ wrong }: { wrong: string }) {
  const at = usePlace();
  const [theme, setTheme] = useState<Theme>(kept);
  const [helping, setHelping] = useState(false);
  const help = useRef<HTMLDialogElement>(null);
  const [signedOut, setSignedOut] = useState<"" | "no token" | "expired">(wrong ? "no token" : "");
  useEffect(() => {
    const told = (event: Event) => setSignedOut((event as CustomEvent<boolean>).detail ? "expired" : "no token");
    addEventListener(SIGNED_OUT, told);
    return () => removeEventListener(SIGNED_OUT, told);
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("leftfold-theme", theme);
  }, [theme]);
  useEffect(() => {
    if (helping) help.current?.showModal();
    else help.current?.close();
  }, [helping]);
  const turn = () => {
    const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    setTheme(dark ? "light" : "dark");
  };
  // On a phone the pages are a line that scrolls.
  useEffect(() => document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [at.page]);
  useKeys((key, event) => {
    const page = PAGES.find(([, , digit]) => digit === key);
    if (page) location.hash = link(page[0]);
    else if (key === "/") {
      const field = document.getElementById("find");
      if (field) field.focus();
      else location.hash = link("streams");
      event.preventDefault();
    } else if (key === "t") turn();
    else if (key === "?") setHelping(!helping);
  });
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to the page
      </a>
      <nav aria-label="Pages">
        <a class="brand" href={link("streams")} aria-label="Leftfold">
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M20 4H9a5 5 0 0 0 0 10h2M4 20h11a5 5 0 0 0 0-10h-2" /></svg>
          <span>Leftfold</span>
        </a>
        <ul>
          {PAGES.map(([page, name, key, icon]) => (
            <li key={page}>
              <a href={link(page)} aria-current={at.page === page ? "page" : undefined}>
                <svg viewBox="0 0 24 24" aria-hidden="true"><path d={icon} /></svg>
                <span>{name}</span>
                <kbd aria-hidden="true">{key}</kbd>
              </a>
            </li>
          ))}
        </ul>
        <div class="foot">
          <button class="quiet" onClick={turn} aria-label="Theme">
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18" /></svg>
            <span>Theme</span>
          </button>
          <button class="quiet by-keyboard" onClick={() => setHelping(true)} aria-label="Keys">
            <kbd aria-hidden="true">?</kbd>
            <span>Keys</span>
          </button>
          {token() && !signedOut && (
            <button class="quiet" onClick={signOut} aria-label="Sign out">
              <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9" /></svg>
              <span>Sign out</span>
            </button>
          )}
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        {signedOut ? <SignIn expired={signedOut === "expired"} wrong={wrong} /> : <Page at={at} />}
      </main>
      <dialog ref={help} aria-label="Keys" onClose={() => setHelping(false)}>
        <h2>Keys</h2>
        <dl class="members">
          {PAGES.map(([page, name, key]) => (
            <div key={page}>
              <dt><kbd>{key}</kbd></dt>
              <dd>{name}</dd>
            </div>
          ))}
          <div><dt><kbd>/</kbd></dt><dd>find</dd></div>
          <div><dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>older and newer commits of a stream</dd></div>
          <div><dt><kbd>t</kbd></dt><dd>light or dark</dd></div>
        </dl>
        <form method="dialog"><button class="primary">Close</button></form>
      </dialog>
    </>
  );
}

const root = document.getElementById("app");
if (root) {
  const show = (wrong: string) => render(<App wrong={wrong} />, root);
  arrive().then(
    () => show(""),
    (error: unknown) => show(error instanceof Error ? error.message : String(error)),
  );
}
