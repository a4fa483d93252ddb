/* Repairs of a commit that cannot be read: what is proposed, approved and taken back. */
import { useState } from "preact/hooks";
import { get, post, type Schemas } from "./api";
import { parts } from "./format";
import { useLoaded } from "./state";
import { Chip, Failed } from "./ui";

type Event = Schemas["FollowedEvent"];

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** An action that is under way, or has failed. */
export function useAction(): { busy: boolean; failure: Error | undefined; run: (act: () => Promise<void>) => void; forget: () => void } {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Error>();
  return {
    busy,
    failure,
    forget: () => setFailure(undefined),
    run: (act) => {
      setBusy(true);
      setFailure(undefined);
      act()
        .catch((error: unknown) => setFailure(asError(error)))
        .finally(() => setBusy(false));
    },
  };
}

/** All repairs of a commit, each with what can be done about it. */
export function Repairs({ stream, version, done, round = 0 }: { stream: string; version: number; done: () => void; round?: number }) {
  const { tenant, category, key } = parts(stream);
  const at = { category, key, version };
  const loaded = useLoaded(
    (signal) => get("/streams/{category}/{key}/commits/{version}/repairs", at, { tenant }, signal),
    [stream, version, round],
  );
  const action = useAction();
  const decide = (of: string, approve: boolean) =>
    action.run(async () => {
      await post("/streams/{category}/{key}/commits/{version}/decisions", at, { tenant }, { of, approve });
      loaded.again();
      done();
    });
  if (!loaded.value?.items.length) return null;
  return (
    <div class="repairs">
      {action.failure && <Failed error={action.failure} again={action.forget} cure="Close" />}
      {loaded.value.items.map((one) => (
        <article key={one.of}>
          <div class="bar">
            <strong>{one.of.startsWith("event-") ? `Correction of event ${one.of.slice(6)}` : `${one.of.slice(7)} passes over this commit`}</strong>
            {one.approvedBy === null ? <Chip tone="warn">proposed</Chip> : <Chip tone="good">in effect</Chip>}
          </div>
          <p>{one.why}</p>
          {one.readsAs.length > 0 && <code class="json">{JSON.stringify(one.readsAs, null, 1)}</code>}
          <p class="muted small">
            by {one.by}
            {one.approvedBy !== null && <>, approved by {one.approvedBy}</>}
          </p>
          {one.approvedBy === null && (
            <div class="actions">
              <button class="primary" disabled={action.busy} onClick={() => decide(one.of, true)}>Approve</button>
              <button disabled={action.busy} onClick={() => decide(one.of, false)}>Take back</button>
            </div>
          )}
        </article>
      ))}
    </div>
  );
}

/** Proposes as which events an event is read that cannot be read itself. */
export function Correct({ stream, version, index, event, done }: { stream: string; version: number; index: number; event: Event; done: () => void }) {
  const { tenant, category, key } = parts(stream);
  const [text, setText] = useState(() => JSON.stringify([{ name: event.name, version: 1, body: event.body }], null, 2));
  const [why, setWhy] = useState("");
  const action = useAction();
  const propose = () =>
    action.run(async () => {
      let readsAs: unknown;
      try {
        readsAs = JSON.parse(text);
      } catch (error) {
        throw new Error(`This is not JSON: ${asError(error).message}`, { cause: error });
      }
      await post("/streams/{category}/{key}/commits/{version}/corrections", { category, key, version }, { tenant }, { index, readsAs, why });
      done();
    });
  return (
    <details class="repair">
      <summary>Propose a correction</summary>
      <form
        onSubmit={(submitted) => {
          submitted.preventDefault();
          propose();
        }}
      >
        <label for={`reads-as-${index}`}>It is read as these events, as they are stored; [] is none</label>
        <textarea id={`reads-as-${index}`} rows={8} spellcheck={false} value={text} onInput={(typed) => setText(typed.currentTarget.value)} />
        <label for={`why-${index}`}>Why</label>
        <input id={`why-${index}`} required maxLength={1000} value={why} onInput={(typed) => setWhy(typed.currentTarget.value)} />
        {action.failure && <Failed error={action.failure} again={action.forget} cure="Close" />}
        <button class="primary" disabled={action.busy}>Propose</button>
      </form>
    </details>
  );
}
