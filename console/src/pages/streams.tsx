/* Streams: find one, and see what happened to it, why, and what it was after any version. */
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { type Commit, get, Problem, type Schemas } from "../api";
import { count, many } from "../format";
import { Correct, Repairs } from "../repairs";
import { link, type Loaded, toStream, useKeys, useLoaded } from "../state";
import { Body, Chip, Difference, Empty, Failed, Figures, Money, Rows, Show, StreamLink, Tabs, Time, Title } from "../ui";

interface Found {
  category: string;
  key: string;
  about: string;
}

const CATEGORIES = ["account", "transfer", "ledger", "journal"];

/** The streams of a category that changed last. */
async function ofCategory(category: string, signal: AbortSignal): Promise<Found[]> {
  const page = await get("/log", {}, { last: 500, limit: 500, category, unreadable: "show" }, signal);
  const found = new Map<string, Found>();
  for (const one of [...page.items].reverse()) {
    if (!found.has(one.id)) found.set(one.id, { category, key: one.id, about: `${one.events.at(-1)?.name ?? ""}, version ${one.version}` });
  }
  return [...found.values()];
}

/** Streams whose id, category or words of a booking are like *words*. */
async function find(words: string, signal: AbortSignal): Promise<Found[]> {
  const named = CATEGORIES.find((one) => one === words.trim().toLowerCase().replace(/s$/, ""));
  if (named) return ofCategory(named, signal);
  const found = new Map<string, Found>();
  const add = (one: Found) => found.has(`${one.category}-${one.key}`) || found.set(`${one.category}-${one.key}`, one);
  const id = /^(?:main\/)?(?:([a-z_]+)[-/])?([A-Za-z0-9-]{1,64})$/.exec(words.trim());
  if (id?.[2]) {
    // A plain word is no id: ids that people type have a category or a digit.
    const tried = id[1] ? [id[1]] : /[\d-]/.test(id[2]) ? CATEGORIES : [];
    await Promise.all(
      tried.map(async (category) => {
        try {
          const one = await get("/streams/{category}/{key}", { category, key: id[2] ?? "" }, { limit: 1 }, signal);
          add({ category, key: one.key, about: `${many(one.version, "commit")}, epoch ${one.epoch}` });
        } catch (error) {
          if (!(error instanceof Problem && error.status < 500)) throw error;
        }
      }),
    );
  }
  const bookings = await get("/bookings", {}, { q: words, limit: 50 }, signal);
  for (const one of bookings.items) {
    const said = [one.operation, one.purpose].filter(Boolean).join(", ");
    add({ category: "account", key: one.accountId, about: `a booking on ${one.valueDate}: ${said}` });
  }
  return [...found.values()];
}

export function Streams() {
  const [words, setWords] = useState("");
  const found = useLoaded((signal) => (words.trim() ? find(words, signal) : Promise.resolve(null)), [words]);
  const tail = useLoaded((signal) => get("/log", {}, { last: 200, limit: 200, unreadable: "show" }, signal), []);
  return (
    <>
      <Title note="Everything that was ever recorded of one thing, in order. Find it by its id, its category or the words of its bookings.">Streams</Title>
      <form class="search" role="search" onSubmit={(event) => event.preventDefault()}>
        <input
          type="search"
          id="find"
          aria-label="Find a stream by id, category or words"
          placeholder="account-42, or words such as pension"
          autocomplete="off"
          onInput={(event) => {
            const typed = event.currentTarget.value;
            clearTimeout(waiting);
            waiting = window.setTimeout(() => setWords(typed), 250);
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </form>
      {words.trim() ? (
        <Show of={found}>
          {(streams) =>
            streams === null || streams.length === 0 ? (
              <Empty title="Nothing was found">An id has letters, digits and hyphens. Words are looked for in the bookings of accounts.</Empty>
            ) : (
              <StreamList of={streams} />
            )
          }
        </Show>
      ) : (
        <>
          <h2>Changed last</h2>
          <Show of={tail}>
            {(page) => {
              const latest = new Map<string, Schemas["FollowedCommit"]>();
              for (const one of [...page.items].reverse()) if (!latest.has(one.stream)) latest.set(one.stream, one);
              return latest.size === 0 ? (
                <Empty title="The log is empty">Send a command, or run `leftfold import`: what it records shows here.</Empty>
              ) : (
                <div class="scroll" tabIndex={0} role="region" aria-label="Streams that changed last">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Stream</th>
                        <th scope="col">Last event</th>
                        <th scope="col" class="number">Version</th>
                        <th scope="col" class="number">Position</th>
                        <th scope="col">At</th>
                      </tr>
                    </thead>
                    <tbody>
                      {[...latest.values()].slice(0, 40).map((one) => (
                        <tr key={one.stream}>
                          <th scope="row"><StreamLink stream={one.stream} /></th>
                          <td>{one.events.at(-1)?.name}</td>
                          <td class="number">{one.version}</td>
                          <td class="number muted">{count(one.position ?? 0)}</td>
                          <td><Time at={one.at} /></td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              );
            }}
          </Show>
        </>
      )}
    </>
  );
}
let waiting = 0;

function StreamList({ of }: { of: Found[] }) {
  return (
    <ul class="cards">
      {of.map((one) => (
        <li key={`${one.category}-${one.key}`}>
          <a href={link("streams", one.category, one.key)}>
            <strong class="mono"><span class="muted">{one.category}-</span>{one.key}</strong>
            <span class="muted">{one.about}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

type Line = { kind: "epoch"; epoch: number; archived: boolean } | { kind: "commit"; commit: Commit };

/** Commits, newest first, with a band before each epoch. */
function lines(commits: Commit[]): Line[] {
  const made: Line[] = [];
  let epoch = -1;
  for (const commit of commits) {
    if (commit.epoch !== epoch) {
      epoch = commit.epoch;
      made.push({ kind: "epoch", epoch, archived: commit.archived });
    }
    made.push({ kind: "commit", commit });
  }
  return made;
}

function useTimeline(category: string, key: string, tenant: string | undefined) {
  const [commits, setCommits] = useState<Commit[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const head = useLoaded((signal) => get("/streams/{category}/{key}", { category, key }, { limit: 100, tenant }, signal), [category, key, tenant]);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setCommits(head.value?.items ?? []);
    setNext(head.value?.next ?? null);
  }, [head.value]);
  const more = useCallback(() => {
    if (busy || next === null) return;
    setBusy(true);
    get("/streams/{category}/{key}", { category, key }, { limit: 200, before: next, tenant })
      .then((page) => {
        setCommits((before) => [...before, ...page.items]);
        setNext(page.next);
      })
      .catch(() => setNext(null))
      .finally(() => setBusy(false));
  }, [busy, next, category, key, tenant]);
  return { head, commits, more: next === null ? undefined : more };
}

export function Stream({ category, id, version, tenant }: { category: string; id: string; version: number | undefined; tenant: string | undefined }) {
  const { head, commits, more } = useTimeline(category, id, tenant);
  const shown = useMemo(() => lines(commits), [commits]);
  const chosen = version ?? head.value?.version;
  const at = shown.findIndex((line) => line.kind === "commit" && line.commit.version === chosen);
  useKeys((key) => {
    if (chosen === undefined || !head.value) return;
    const to = key === "j" || key === "ArrowDown" ? chosen - 1 : key === "k" || key === "ArrowUp" ? chosen + 1 : 0;
    if (to >= 1 && to <= head.value.version) location.replace(toStream(head.value.stream, to));
  });
  return (
    <Show of={head} rows={10}>
      {(stream) => (
        <>
          <Title
            aside={
              <>
                {category === "account" && <a class="button" href={link("accounts", id)}>Account</a>}
                {category === "transfer" && <a class="button" href={link("accounts", "transfers", id)}>Trace</a>}
                {category === "ledger" && <a class="button" href={link("ledgers", id)}>Ledger</a>}
              </>
            }
          >
            <span class="mono"><span class="muted">{category}-</span>{id}</span>
          </Title>
          <Figures
            of={[
              ["Version", count(stream.version)],
              ["Epoch", stream.epoch],
              ["Position", (stream.position ?? -1) < 0 ? "not shown" : count(stream.position ?? 0)],
              ["Logged through", count(stream.logged)],
              ["Archived through", stream.archivedThrough ? count(stream.archivedThrough) : "nothing"],
            ]}
          />
          <div class={version === undefined ? "split newest" : "split"}>
            <section aria-label="Commits" class="timeline">
              <Rows
                of={shown}
                height={46}
                label="Commits, the newest first"
                more={more}
                at={at}
                row={(line) =>
                  line.kind === "epoch" ? (
                    <div class="band">
                      <span>
                        Epoch {line.epoch}
                        {category === "account" && line.epoch < stream.epoch && (
                          <>, <a href={link("accounts", id, "statements", line.epoch)}>statement {line.epoch}</a></>
                        )}
                      </span>
                      <span class="muted">{line.archived ? "archived" : line.epoch === stream.epoch ? "live" : "closed"}</span>
                    </div>
                  ) : (
                    <a
                      class="commit"
                      href={toStream(stream.stream, line.commit.version)}
                      aria-current={line.commit.version === chosen ? "true" : undefined}
                    >
                      <span class="number muted">{line.commit.version}</span>
                      <span class="what">
                        <span class="names">
                          {line.commit.events.map((event) => event.name).join(", ")}
                          {line.commit.events.some((event) => event.unreadable) && <> <Chip tone="bad">unreadable</Chip></>}
                        </span>
                        <Gist events={line.commit.events} />
                      </span>
                      <span class="when"><Time at={line.commit.at} /></span>
                    </a>
                  )
                }
              />
              <p class="keys muted">
                <kbd>j</kbd> <kbd>k</kbd> older, newer
              </p>
            </section>
            {chosen !== undefined && <CommitPane stream={stream.stream} category={category} id={id} version={chosen} newest={stream.version} />}
          </div>
        </>
      )}
    </Show>
  );
}

/** The amount that a commit is about, if it is about one. */
function Gist({ events }: { events: Commit["events"] }) {
  const body = events[0]?.body as { amount?: { amount: string; currency: string } } | undefined;
  if (!body?.amount || typeof body.amount !== "object") return null;
  return <Money of={body.amount} />;
}

function CommitPane({ stream, category, id, version, newest }: { stream: string; category: string; id: string; version: number; newest: number }) {
  const [tab, setTab] = useState("Events");
  const [than, setThan] = useState<number>();
  const tenant = stream.slice(0, stream.indexOf("/"));
  const at = (of: number) => ({ category, key: id, version: of });
  const loaded = useLoaded((signal) => get("/streams/{category}/{key}/commits/{version}", at(version), { tenant }, signal), [stream, version]);
  const other = useLoaded(
    (signal) =>
      than === undefined ? Promise.resolve(undefined) : get("/streams/{category}/{key}/commits/{version}", at(than), { tenant }, signal),
    [stream, than],
  );
  const led = useLoaded(
    (signal) => get("/streams/{category}/{key}/commits/{version}/consequences", at(version), { tenant }, signal),
    [stream, version],
  );
  return (
    <section class="pane" aria-label={`Version ${version}`}>
      <div class="bar">
        <h2>Version {count(version)}</h2>
        <Tabs of={["Events", "State", "Rows"]} at={tab} to={setTab} label="What to see of the version" />
      </div>
      <Show of={loaded}>
        {(one) => (
          <>
            {one.failures.length > 0 && (
              <div class="reason">
                <strong>Not everybody gets past this commit</strong>
                <dl class="members">
                  {one.failures.map((failure) => (
                    <div key={failure.of}>
                      <dt>{failure.of === "rules" ? "the rules" : failure.of}</dt>
                      <dd class="mono">{failure.reason}</dd>
                    </div>
                  ))}
                </dl>
              </div>
            )}
            {tab === "Events" && <Events of={one} led={led} again={loaded.again} />}
            {tab === "State" && (
              <>
                <label class="inline">
                  Compare with the state after version{" "}
                  <input
                    type="number"
                    min={1}
                    max={newest}
                    placeholder={String(version - 1)}
                    value={than ?? ""}
                    onChange={(event) => setThan(event.currentTarget.valueAsNumber || undefined)}
                  />
                </label>
                {other.error ? (
                  <Failed error={other.error} again={other.again} />
                ) : (
                  <Difference
                    before={than === undefined ? one.before : (other.value?.after ?? null)}
                    after={one.after}
                    names={[than === undefined ? `after ${version - 1}` : `after ${than}`, `after ${version}`]}
                    caption="The state before and after"
                  />
                )}
                <p class="muted small">Folded by the rules that decide commands, in the units that are stored.</p>
              </>
            )}
            {tab === "Rows" &&
              (one.rows.length === 0 ? (
                <Empty title="No row of a view has changed">Views whose rows mix streams are not shown here.</Empty>
              ) : (
                one.rows.map((row) => (
                  <article key={`${row.view} ${row.key} ${row.index}`} class="row-change">
                    <h3>
                      {row.view} <span class="muted mono">{row.key}</span>
                    </h3>
                    {one.commit.events.length > 1 && (
                      <p class="muted small">
                        by event {row.index + 1} of {one.commit.events.length}, {one.commit.events[row.index]?.name}
                      </p>
                    )}
                    <Difference before={row.before} after={row.after} caption={`The row of ${row.view} before and after ${row.key}, event ${row.index + 1}`} />
                  </article>
                ))
              ))}
          </>
        )}
      </Show>
    </section>
  );
}

const TONES: Record<string, "good" | "warn" | "bad" | "plain"> = {
  taken: "good",
  sent: "good",
  refused: "warn",
  decided: "warn",
  waits: "warn",
  parked: "bad",
  fails: "bad",
};
const SAID: Record<string, string> = { passed: "not taken", decided: "not sent yet", forgotten: "not sent: forgotten" };

/** What a commit has led to, step by step. */
function Consequences({ of, stream }: { of: Schemas["ConsequenceList"]; stream: string }) {
  if (of.items.length === 0) return <span class="muted">nothing: no policy takes a step for it</span>;
  return (
    <ul class="consequences">
      {of.items.map((one) => (
        <li key={`${one.policy} ${one.step}`}>
          <Chip tone={TONES[one.outcome] ?? "plain"}>{SAID[one.outcome] ?? one.outcome}</Chip>
          <span>
            <a href={link("readers", one.policy)}>{one.policy}</a> {one.kind === "e-mail" && <span class="muted">sends an e-mail, </span>}
            <span class="muted">{one.step}</span>
          </span>
          {one.stream !== null && (
            <span>{one.version === null ? <span class="muted mono">{one.stream}</span> : <StreamLink stream={one.stream} version={one.version} />}</span>
          )}
          {one.answer !== null && (
            <span class="muted">
              answered in <a href={toStream(stream, one.answer)}>version {one.answer}</a>
            </span>
          )}
          {one.reason !== null && <span class="mono small">{one.reason}</span>}
        </li>
      ))}
    </ul>
  );
}

function Events({ of, led, again }: { of: Schemas["CommitDocument"]; led: Loaded<Schemas["ConsequenceList"]>; again: () => void }) {
  const { commit } = of;
  const [round, setRound] = useState(0);
  const broken = of.failures.length > 0;
  return (
    <>
      {commit.events.map((event, at) => (
        <article key={at} class="event">
          <h3>
            {event.name} <span class="muted">v{event.eventVersion}</span>
          </h3>
          {event.unreadable && <p class="reason mono">{event.unreadable}</p>}
          <Body of={event.body} />
          {event.correction && (
            <p class="muted small">
              Read so by a correction: {event.correction.why} ({event.correction.by}, approved by {event.correction.approvedBy})
            </p>
          )}
          {event.unreadable && (
            <Correct stream={of.stream} version={commit.version} index={at} event={event} done={() => setRound((n) => n + 1)} />
          )}
        </article>
      ))}
      {broken && <Repairs stream={of.stream} version={commit.version} done={again} round={round} />}
      <dl class="members facts">
        <div>
          <dt>recorded</dt>
          <dd><Time at={commit.at} /></dd>
        </div>
        <div>
          <dt>actor</dt>
          <dd>{commit.actor} <span class="muted">by {commit.authority}</span></dd>
        </div>
        <div>
          <dt>correlation</dt>
          <dd class="mono">
            <a href={`${link("log")}?correlation=${encodeURIComponent(commit.correlationId)}`}>{commit.correlationId}</a>
          </dd>
        </div>
        <div>
          <dt>causes</dt>
          <dd>
            {commit.causes.length === 0 ? (
              <span class="muted">none in other streams</span>
            ) : (
              commit.causes.map((cause) => <StreamLink key={cause.stream} stream={cause.stream} version={cause.version} />)
            )}
          </dd>
        </div>
        <div>
          <dt>led to</dt>
          <dd>
            {led.error ? (
              <Failed error={led.error} again={led.again} />
            ) : led.value ? (
              <Consequences of={led.value} stream={of.stream} />
            ) : (
              <span class="muted">…</span>
            )}
          </dd>
        </div>
        {commit.tags.length > 0 && (
          <div>
            <dt>tags</dt>
            <dd>{commit.tags.map((tag) => <Chip key={tag}>{tag}</Chip>)}</dd>
          </div>
        )}
      </dl>
    </>
  );
}
