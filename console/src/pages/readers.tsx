/* Readers: how far every view and policy is, what waits, and putting it right. */
import { useEffect, useState } from "preact/hooks";
import { get, post, type Reader, type Schemas } from "../api";
import { Chart } from "../chart";
import { count, duration, many, parts } from "../format";
import { link, useLoaded } from "../state";
import { Body, Chip, Empty, Failed, Figures, Show, StreamLink, Time, Title, Waits } from "../ui";

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
    </>
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

function ReaderPane({ of, again }: { of: Reader; again: () => void }) {
  const parked = useLoaded((signal) => get("/readers/{reader}/parked", { reader: of.name }, {}, signal), [of.name, of.parked], EVERY);
  const [asked, setAsked] = useState<string>();
  const [failure, setFailure] = useState<Error>();
  useEffect(() => setAsked(undefined), [of.name]);
  const act = (streams?: string[]) => {
    setFailure(undefined);
    post("/readers/{reader}/redrive", { reader: of.name }, {}, streams ? { streams } : {})
      .then((answer) => {
        setAsked(`${many(answer.asked, "stream")} asked to go on. What fails again stays here, with its reason.`);
        again();
      })
      .catch((error: unknown) => setFailure(error instanceof Error ? error : new Error(String(error))));
  };
  return (
    <section class="pane" aria-label={of.name}>
      <div class="bar">
        <h2>{of.name}</h2>
        <a class="quiet" href={link("readers")}>Close</a>
      </div>
      {asked && <p class="told" role="status">{asked}</p>}
      {failure && <Failed error={failure} again={() => setFailure(undefined)} />}
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
                <button class="primary" onClick={() => act()}>Redrive all</button>
              </div>
              {list.items.map((one) => (
                <article key={one.stream} class="parked">
                  <div class="bar">
                    <StreamLink stream={one.failedOn} version={one.version} />
                    <button onClick={() => act([one.stream])} aria-label={`Redrive ${parts(one.failedOn).key}`}>Redrive</button>
                  </div>
                  <p class="mono reason">{one.reason}</p>
                  <Stuck stream={one.failedOn} version={one.version} />
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
