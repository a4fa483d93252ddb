/* Readers: how far every view and policy is, what waits, and putting it right. */
import { useEffect, useState } from "preact/hooks";
import { get, post, Problem, type Reader, type Schemas } from "../api";
import { Chart } from "../chart";
import { count, duration, many, parts } from "../format";
import { Repairs, useAction } from "../repairs";
import { link, useLoaded } from "../state";
import { Body, Chip, Empty, Failed, Figures, Show, StreamLink, Time, Title, Waits } from "../ui";

type Parked = Schemas["ParkedShown"];

const EVERY = 2_000;
const KEPT = 600;

interface Sample {
  at: number;
  behind: Record<string, number>;
}

export function Readers({ name }: { name: string | undefined }) {
  const readers = useLoaded((signal) => get("/readers", {}, {}, signal), [], EVERY);
  const [samples, setSamples] = useState<Sample[]>([]);
  useEffect(() => {
    if (!readers.value) return;
    const behind = Object.fromEntries(readers.value.items.map((one) => [one.name, one.behind]));
    setSamples((before) => [...before, { at: Date.now() / 1000, behind }].slice(-KEPT));
  }, [readers.value]);
  return (
    <>
      <Title note="Views fold the log into rows; policies take the steps of workflows. A reader that fails on an event parks that stream and goes on with all others.">
        Readers
      </Title>
      <Show of={readers} rows={12}>
        {(all) => <All of={all} samples={samples} name={name} error={readers.error} again={readers.again} />}
      </Show>
      <Upkeep />
    </>
  );
}

/** The alarms of the stage, those that have gone off first, and where the archiver is. */
function Upkeep() {
  const loaded = useLoaded((signal) => get("/upkeep", {}, {}, signal), [], 30_000);
  const [whole, setWhole] = useState(false);
  return (
    <section aria-label="Alarms and archiver" class="upkeep">
      <Show of={loaded} rows={2}>
        {({ alarms, archiver }) => {
          const off = alarms.filter((one) => one.state === "alarm");
          const shown = whole ? [...off, ...alarms.filter((one) => one.state !== "alarm")] : off;
          return (
            <>
              <div class="bar">
                <h2>Alarms</h2>
                <span class="muted">
                  {alarms.length === 0 ? "this stage has none" : off.length ? <span class="negative">{off.length} of {many(alarms.length, "alarm")} on</span> : `none of ${many(alarms.length, "alarm")} is on`}
                  {", archiver: "}
                  {archiver === null ? "has not run" : archiver.stream === null ? "through with all streams" : <>at <StreamLink stream={archiver.stream} /></>}
                  {alarms.length > off.length && (
                    <button class="quiet" aria-pressed={whole} onClick={() => setWhole(!whole)}>{whole ? "Only those that are on" : "Show all"}</button>
                  )}
                </span>
              </div>
              {shown.length > 0 && (
                <div class="scroll" tabIndex={0} role="region" aria-label="Alarms">
                  <table>
                    <tbody>
                      {shown.map((one) => (
                        <tr key={one.name}>
                          <th scope="row" class="nowrap">{one.name}</th>
                          <td>
                            <Chip tone={one.state === "alarm" ? "bad" : one.state === "ok" ? "good" : "plain"}>{one.state === "alarm" ? "on" : one.state}</Chip>
                          </td>
                          <td class="optional">{one.says}</td>
                          <td><Time at={one.since} /></td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
            </>
          );
        }}
      </Show>
    </section>
  );
}

function All({
  of,
  samples,
  name,
  error,
  again,
}: {
  of: Schemas["ReaderList"];
  samples: Sample[];
  name: string | undefined;
  error: Error | undefined;
  again: () => void;
}) {
  const parked = of.items.reduce((sum, one) => sum + one.parked, 0);
  const late = of.items.filter((one) => one.behind > 0);
  const shown = name ? of.items.find((one) => one.name === name) : undefined;
  const most = samples.map((one) => (name ? (one.behind[name] ?? 0) : Math.max(0, ...Object.values(one.behind))));
  return (
    <>
      {error && <Failed error={error} again={again} />}
      <Figures
        of={[
          ["Log", `${count(of.nextPosition)} positions`],
          ["Behind", late.length ? <span class="warned">{many(late.length, "reader")}</span> : "nobody"],
          ["Parked", parked ? <span class="negative">{many(parked, "stream")}</span> : "nothing"],
          ["Bus", of.unpublished ? <span class="warned">{many(of.unpublished, "position")} behind</span> : "all published"],
          ["Sweeper", <Sweeper key="sweeper" of={of.sweeper} at={of.at} />],
          ["Looked at", <Time key="at" at={of.at} short />],
        ]}
      />
      {samples.length > 1 && <figure>
        <figcaption class="muted small">Positions that {name ?? "the last reader"} is behind, since this page was opened</figcaption>
        <Chart label={`Positions behind: ${name ?? "the last reader"}`} x={samples.map((one) => one.at)} y={most} kind="step" height={96} format={count} />
      </figure>}
      <div class={shown ? "split" : ""}>
        <div class="scroll" tabIndex={0} role="region" aria-label="Views and policies">
          <table>
            <thead>
              <tr>
                <th scope="col">Reader</th>
                <th scope="col" class="optional">Kind</th>
                <th scope="col" class="optional">Fed by</th>
                <th scope="col" class="number">Behind</th>
                <th scope="col" class="number">Oldest waits</th>
                <th scope="col" class="number">Parked</th>
              </tr>
            </thead>
            <tbody>
              {of.items.map((one) => (
                <tr key={one.name} data-chosen={one.name === name}>
                  <th scope="row">
                    <a href={link("readers", one.name)}>{one.name}</a>
                  </th>
                  <td class="optional">
                    {one.kind} {one.order === "ordered" && <Chip>ordered</Chip>}
                  </td>
                  <td class="muted optional">{one.fed === "bus" ? "Kinesis" : "the log"}</td>
                  <td class="number">{one.behind ? <span class="warned">{count(one.behind)}</span> : "0"}</td>
                  <td class="number"><Waits seconds={one.waits} /></td>
                  <td class="number">{one.parked ? <Chip tone="bad">{one.parked}</Chip> : <span class="muted">0</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {shown && <ReaderPane of={shown} again={again} />}
      </div>
    </>
  );
}

/** The events of a commit on which a reader has failed, and what the rules knew before it. */
function Stuck({ stream, version }: { stream: string; version: number }) {
  const [open, setOpen] = useState(false);
  const { tenant, category, key } = parts(stream);
  const loaded = useLoaded(
    (signal) => (open ? get("/streams/{category}/{key}/commits/{version}", { category, key, version }, { tenant }, signal) : Promise.resolve(undefined)),
    [stream, version, open],
  );
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="muted small">The event, and the state before it</summary>
      {open && (
        <Show of={loaded} rows={3}>
          {(one) => (
            <>
              {one?.commit.events.map((event, at) => (
                <div key={at} class="event">
                  <h3>{event.name}</h3>
                  <Body of={event.body} />
                </div>
              ))}
              <h3>State before <span class="muted small">in the units that are stored</span></h3>
              {one?.before ? <Body of={one.before as Record<string, unknown>} /> : <p class="muted small">There was none.</p>}
            </>
          )}
        </Show>
      )}
    </details>
  );
}

/** How far the sweeper is, which finds what no message told of. */
function Sweeper({ of, at }: { of: Schemas["ReaderList"]["sweeper"]; at: string }) {
  if (!of) return <span class="muted">has not run</span>;
  const seconds = (Date.parse(at) - Date.parse(of.began)) / 1000;
  return (
    <span title={`${count(of.pages)} pages seen in this round, ${count(of.pagesBefore)} in the one before`}>
      {of.part} of {of.parts} parts <span class="muted small">in {duration(Math.max(0, seconds))}</span>
    </span>
  );
}

/** What was asked for, stream by stream, and what has become of it so far. */
interface Asked {
  streams: string[];
  before: Map<string, string>;
}

/** Says of each stream that was to go on whether it does. */
function Outcome({ of, parked }: { of: Asked; parked: Parked[] | undefined }) {
  const left = of.streams.filter((stream) => parked?.some((one) => one.stream === stream));
  const gone = of.streams.length - left.length;
  if (!parked) return null;
  return (
    <p class={left.length ? "told waits" : "told"} role="status">
      {left.length === 0
        ? `${many(of.streams.length, "stream")} went on.`
        : `${gone} of ${many(of.streams.length, "stream")} went on. What fails again stays here, with its reason.`}
    </p>
  );
}

/** Proposes that the reader passes over the commits on which it has parked *streams*. */
function Skip({ reader, streams, done }: { reader: string; streams: string[]; done: () => void }) {
  const [why, setWhy] = useState("");
  const [told, setTold] = useState<string>();
  const action = useAction();
  const propose = () =>
    action.run(async () => {
      const refused: string[] = [];
      for (const stream of streams) {
        try {
          await post("/readers/{reader}/skips", { reader }, {}, { stream, why });
        } catch (error) {
          if (!(error instanceof Problem) || error.status >= 500) throw error;
          refused.push(`${stream}: ${error.message}`);
        }
      }
      setTold([`${many(streams.length - refused.length, "commit")} proposed to be passed over.`, ...refused].join(" "));
      done();
    });
  return (
    <details class="repair">
      <summary>{streams.length === 1 ? "Pass over this commit" : `Pass over all ${count(streams.length)}`}</summary>
      <form
        onSubmit={(submitted) => {
          submitted.preventDefault();
          propose();
        }}
      >
        <p class="muted small">
          The rows of a view lack the commit then, for ever; a policy takes no step for it. Another person has to approve it. Mending the
          code and redriving loses nothing.
        </p>
        <label for={`skip-${streams[0]}-${streams.length}`}>Why</label>
        <input
          id={`skip-${streams[0]}-${streams.length}`}
          required
          maxLength={1000}
          value={why}
          onInput={(typed) => setWhy(typed.currentTarget.value)}
        />
        {action.failure && <Failed error={action.failure} again={action.forget} cure="Close" />}
        {told && <p role="status">{told}</p>}
        <button class="primary" disabled={action.busy}>Propose</button>
      </form>
    </details>
  );
}

function ReaderPane({ of, again }: { of: Reader; again: () => void }) {
  const parked = useLoaded((signal) => get("/readers/{reader}/parked", { reader: of.name }, {}, signal), [of.name, of.parked], EVERY);
  const [asked, setAsked] = useState<Asked>();
  const [round, setRound] = useState(0);
  const action = useAction();
  useEffect(() => setAsked(undefined), [of.name]);
  const items = parked.value?.items;
  const act = (streams?: string[]) =>
    action.run(async () => {
      const now = (items ?? []).filter((one) => !streams || streams.includes(one.stream));
      await post("/readers/{reader}/redrive", { reader: of.name }, {}, streams ? { streams } : {});
      setAsked({ streams: now.map((one) => one.stream), before: new Map(now.map((one) => [one.stream, one.reason])) });
      again();
      parked.again();
    });
  const repaired = () => {
    setRound((n) => n + 1);
    parked.again();
  };
  return (
    <section class="pane" aria-label={of.name}>
      <div class="bar">
        <h2>{of.name}</h2>
        <a class="quiet" href={link("readers")}>Close</a>
      </div>
      {asked && <Outcome of={asked} parked={items} />}
      {action.failure && <Failed error={action.failure} again={action.forget} cure="Close" />}
      <Show of={parked}>
        {(list) =>
          list.total === 0 ? (
            <Empty title="No stream is parked">
              {of.order === "ordered" ? "An ordered view stops as a whole; its function's log says why." : "Every event that it heard is folded or answered."}
            </Empty>
          ) : (
            <>
              <div class="bar">
                <span class="muted">{many(list.total, "parked stream")}</span>
                <button class="primary" disabled={action.busy} onClick={() => act()}>Redrive all</button>
              </div>
              {list.items.length > 1 && <Skip reader={of.name} streams={list.items.map((one) => one.stream)} done={repaired} />}
              {list.items.map((one) => (
                <article key={one.stream} class="parked">
                  <div class="bar">
                    <StreamLink stream={one.failedOn} version={one.version} />
                    <button disabled={action.busy} onClick={() => act([one.stream])} aria-label={`Redrive ${parts(one.failedOn).key}`}>Redrive</button>
                  </div>
                  <p class="mono reason">{one.reason}</p>
                  <Stuck stream={one.failedOn} version={one.version} />
                  <Skip reader={of.name} streams={[one.stream]} done={repaired} />
                  <Repairs stream={one.failedOn} version={one.version} done={repaired} round={round} />
                  {one.first !== null && one.last !== null && (
                    <p class="muted small">
                      Positions {count(one.first)} to {count(one.last)} wait.
                    </p>
                  )}
                </article>
              ))}
            </>
          )
        }
      </Show>
    </section>
  );
}
