/* The log: its tail as it grows, how fast, and the block of any position with its hashes. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, type LoggedCommit } from "../api";
import { Chart } from "../chart";
import { count, many } from "../format";
import { link, useLoaded } from "../state";
import { Chip, Empty, Failed, Rows, Show, StreamLink, Time, Title } from "../ui";

const KEPT = 20_000;

/** The newest commits, and each one that comes. */
function useTail(category: string, following: boolean) {
  const [items, setItems] = useState<LoggedCommit[]>();
  const [error, setError] = useState<Error>();
  const [round, setRound] = useState(0);
  const after = useRef<string | undefined>(undefined);
  useEffect(() => {
    after.current = undefined;
    setItems(undefined);
  }, [category]);
  useEffect(() => {
    const ending = new AbortController();
    const follow = async () => {
      while (!ending.signal.aborted) {
        const asked = after.current ? { after: after.current, wait: following ? 20 : 0 } : { last: 500 };
        const page = await get("/log", {}, { ...asked, limit: 500, category, unreadable: "show" }, ending.signal);
        after.current = page.next;
        setError(undefined);
        setItems((before) => [...[...page.items].reverse(), ...(before ?? [])].slice(0, KEPT));
        if (page.atEnd && !following) return;
      }
    };
    follow().catch((failure: unknown) => {
      if (!ending.signal.aborted) setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
    return () => ending.abort();
  }, [category, following, round]);
  return { items, error, again: () => setRound((n) => n + 1) };
}

const CORRELATION = /^[A-Za-z0-9._:-]{1,128}$/;
const TIMED = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-/i;

/** When a correlation id was made, if it says so: one that the server has made does. */
function madeAt(correlation: string): string | undefined {
  const found = TIMED.exec(correlation);
  return found ? new Date(parseInt(`${found[1]}${found[2]}`, 16)).toISOString() : undefined;
}

interface Searched {
  items: LoggedCommit[];
  looked: number | null;
  ended: boolean;
  error: Error | undefined;
}

/** The commits of a correlation id in the whole log, the newest first, as they are found. */
function useSearch(correlation: string | undefined, category: string): Searched | undefined {
  const [found, setFound] = useState<Searched>();
  useEffect(() => {
    setFound(undefined);
    if (correlation === undefined) return;
    const ending = new AbortController();
    const look = async () => {
      let items: LoggedCommit[] = [];
      let from: { since?: string | undefined; after?: string } = { since: madeAt(correlation) };
      for (;;) {
        const page = await get("/log", {}, { ...from, correlation, category, limit: 500, unreadable: "show" }, ending.signal);
        if (ending.signal.aborted) return;
        items = [...[...page.items].reverse(), ...items];
        setFound({ items, looked: page.position, ended: page.atEnd, error: undefined });
        if (page.atEnd) return;
        from = { after: page.next };
      }
    };
    look().catch((failure: unknown) => {
      if (ending.signal.aborted) return;
      const error = failure instanceof Error ? failure : new Error(String(failure));
      setFound((before) => ({ items: before?.items ?? [], looked: null, ended: true, error }));
    });
    return () => ending.abort();
  }, [correlation, category]);
  return found;
}

export function Log({ correlation, position }: { correlation: string; position: number | undefined }) {
  const [category, setCategory] = useState("");
  const [following, setFollowing] = useState(true);
  const [words, setWords] = useState(correlation);
  const [searched, setSearched] = useState<string | undefined>(correlation || undefined);
  useEffect(() => {
    setWords(correlation);
    setSearched(correlation || undefined);
  }, [correlation]);
  const search = useSearch(searched, category);
  const tail = useTail(category, following);
  const shown = useMemo(() => {
    const looked = words.trim().toLowerCase();
    if (search) return search.items;
    const all = tail.items ?? [];
    if (!looked) return all;
    return all.filter((one) =>
      [one.correlationId, one.stream, ...one.events.map((event) => event.name)].some((text) => text.toLowerCase().includes(looked)),
    );
  }, [tail.items, words, search]);
  return (
    <>
      <Title
        note="All commits of all streams in the one order. The newest are on top."
        aside={
          !search && <button aria-pressed={following} onClick={() => setFollowing(!following)}>
            <span class={following ? "dot live" : "dot"} aria-hidden="true" /> {following ? "Following" : "Paused"}
          </button>
        }
      >
        Log
      </Title>
      <div class="filters">
        <input
          type="search"
          id="find"
          aria-label="Correlation id, stream or event"
          placeholder="Correlation id, stream or event"
          value={words}
          onInput={(event) => {
            setWords(event.currentTarget.value);
            setSearched(undefined);
          }}
        />
        <select aria-label="Category" value={category} onChange={(event) => setCategory(event.currentTarget.value)}>
          <option value="">every category</option>
          {["account", "transfer", "ledger", "journal"].map((one) => <option key={one}>{one}</option>)}
        </select>
        {searched === undefined && CORRELATION.test(words.trim()) && (
          <button onClick={() => setSearched(words.trim())}>Find this correlation id in the whole log</button>
        )}
        <span class="muted" role="status">
          {many(shown.length, "commit")}
          {search && !search.ended && <>, looked through {search.looked === null ? "a part of the log" : `the log to position ${count(search.looked)}`} …</>}
          {search?.ended && !search.error && <> of this correlation id in the whole log</>}
        </span>
      </div>
      {tail.error && <Failed error={tail.error} again={tail.again} />}
      {search?.error && <Failed error={search.error} again={() => setSearched(undefined)} />}
      {tail.items === undefined ? (
        !tail.error && <Show of={{ value: undefined, error: undefined, again: tail.again }} rows={12}>{() => null}</Show>
      ) : (
        <div class={position === undefined ? "" : "split"}>
          <section aria-label="Commits">
            {!search && <Rate of={tail.items} />}
            {shown.length === 0 ? (
              <Empty title={words ? "None of the commits here is like that" : "The log is empty"}>
                {search ? (search.ended ? "No commit has this correlation id." : "The log is being looked through.") : words ? "Only the newest commits are looked through." : "What a command records shows here at once."}
              </Empty>
            ) : (
              <Rows
                of={shown}
                height={40}
                label="Commits, the newest first"
                row={(one) => (
                  <div class="logged" data-chosen={one.position === position}>
                    {one.position === null ? (
                      <span />
                    ) : (
                      <a class="number muted" href={link("log", one.position)} aria-label={`Position ${one.position}`}>
                        {count(one.position)}
                      </a>
                    )}
                    <StreamLink stream={one.stream} version={one.version} />
                    <span class="what">{one.events.map((event) => event.name).join(", ")}</span>
                    <span class="when"><Time at={one.at} /></span>
                  </div>
                )}
              />
            )}
          </section>
          {position !== undefined && <Block position={position} />}
        </div>
      )}
    </>
  );
}

/** Commits in each second, or in each longer step if the tail is longer than that. */
function Rate({ of }: { of: LoggedCommit[] }) {
  const { x, y, step } = useMemo(() => {
    const times = of.map((one) => Math.floor(Date.parse(one.at) / 1000));
    const last = Math.max(...times);
    const span = Math.max(60, last - Math.min(...times));
    const wide = [1, 5, 15, 60, 300, 900, 3600, 86_400].find((one) => span / one <= 120) ?? 86_400;
    const counted = new Map<number, number>();
    for (const at of times) counted.set(at - (at % wide), (counted.get(at - (at % wide)) ?? 0) + 1);
    const ends = last - (last % wide);
    const begins = ends - Math.ceil(span / wide) * wide;
    const at = Array.from({ length: (ends - begins) / wide + 1 }, (_, n) => begins + n * wide);
    return { x: at, y: at.map((one) => counted.get(one) ?? 0), step: wide };
  }, [of]);
  if (of.length === 0) return null;
  const each = step === 1 ? "second" : step < 60 ? `${step} seconds` : step === 60 ? "minute" : step < 3600 ? `${step / 60} minutes` : step === 3600 ? "hour" : "day";
  return (
    <figure>
      <figcaption class="muted small">Commits in each {each}</figcaption>
      <Chart label={`Commits in each ${each}`} x={x} y={y} kind="bars" height={96} format={count} />
    </figure>
  );
}

function Block({ position }: { position: number }) {
  const loaded = useLoaded((signal) => get("/blocks/{position}", { position }, {}, signal), [position]);
  return (
    <section class="pane" aria-label={`The block of position ${position}`}>
      <div class="bar">
        <h2>Block of {count(position)}</h2>
        <a class="quiet" href={link("log")}>Close</a>
      </div>
      <Show of={loaded}>
        {(block) => (
          <>
            <p>{block.proved ? <Chip tone="good">hash is right</Chip> : <Chip tone="bad">hash is wrong</Chip>}</p>
            <dl class="members facts">
              <div>
                <dt>positions</dt>
                <dd>{count(block.firstPosition)} to {count(block.nextPosition - 1)}</dd>
              </div>
              <div>
                <dt>hash</dt>
                <dd class="mono hash">{block.hash}</dd>
              </div>
              <div>
                <dt>previous</dt>
                <dd class="mono hash">
                  {block.firstPosition > 0 ? (
                    <a href={link("log", block.firstPosition - 1)}>{block.previousHash}</a>
                  ) : (
                    <span class="muted">this is the first block</span>
                  )}
                </dd>
              </div>
            </dl>
            <h3>{many(block.commits.length, "commit")}</h3>
            <ol class="inside" start={block.firstPosition}>
              {block.commits.map((one, at) => (
                <li key={at} value={block.firstPosition + at} aria-current={block.firstPosition + at === position ? "true" : undefined}>
                  <StreamLink stream={one.stream} version={one.version} />
                </li>
              ))}
            </ol>
          </>
        )}
      </Show>
    </section>
  );
}
