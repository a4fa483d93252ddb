/* Accounts: their balances over time, bookings and statements; and transfers with their traces. */
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { get, type Schemas, watch } from "../api";
import { Chart } from "../chart";
import { count, decimal, many, parts } from "../format";
import { link, useLoaded, useWatched } from "../state";
import { Chip, Empty, Figures, Money, Rows, Show, StreamLink, Tabs, Time, Title } from "../ui";

type Booking = Schemas["BookingShown"];

function Status({ of }: { of: string }) {
  return <Chip tone={of === "open" || of === "completed" ? "good" : of === "frozen" || of === "stuck" ? "warn" : "plain"}>{of}</Chip>;
}

export function Accounts() {
  const [sort, setSort] = useState("-balance");
  const [status, setStatus] = useState("");
  const totals = useLoaded((signal) => get("/totals", {}, {}, signal), []);
  const loaded = useLoaded((signal) => get("/accounts", {}, { sort, status, limit: 200 }, signal), [sort, status]);
  return (
    <>
      <Title aside={<a class="button" href={link("accounts", "transfers")}>Transfers</a>}>Accounts</Title>
      <Show of={totals} rows={1}>
        {(found) => (
          <Figures
            of={found.items.flatMap((one): [string, preact.ComponentChildren][] => [
              [`Accounts in ${one.currency}`, count(one.accounts)],
              ["Bookings", count(one.bookings)],
              ["Balance of all", <Money key="balance" of={one.balance} />],
            ])}
          />
        )}
      </Show>
      <div class="filters">
        <select aria-label="Order" value={sort} onChange={(event) => setSort(event.currentTarget.value)}>
          <option value="-balance">highest balance first</option>
          <option value="balance">lowest balance first</option>
        </select>
        <select aria-label="Status" value={status} onChange={(event) => setStatus(event.currentTarget.value)}>
          <option value="">every status</option>
          {["open", "frozen", "closed"].map((one) => <option key={one}>{one}</option>)}
        </select>
        {loaded.value && <span class="muted" role="status">{many(loaded.value.total, "account")}</span>}
      </div>
      <Show of={loaded} rows={10}>
        {(list) =>
          list.items.length === 0 ? (
            <Empty title="No account is like that" />
          ) : (
            <Rows
              of={list.items}
              height={44}
              label="Accounts"
              row={(one) => (
                <a class="account" href={link("accounts", one.accountId)}>
                  <span class="mono">{one.accountId}</span>
                  <span class="what muted">{one.owner}</span>
                  <span><Status of={one.status} /></span>
                  <Money of={one.balance} />
                </a>
              )}
            />
          )
        }
      </Show>
    </>
  );
}

export function Account({ id }: { id: string }) {
  const [tab, setTab] = useState("Bookings");
  const loaded = useWatched<Schemas["AccountShown"]>((heard, signal) => watch("/accounts/{id}", { id }, {}, heard, signal), [id]);
  const bookings = useBookings(id, loaded.value?.version);
  return (
    <Show of={loaded} rows={8}>
      {(account) => (
        <>
          <Title note={account.owner} aside={<a class="button" href={link("streams", "account", id)}>Stream</a>}>
            Account <span class="mono">{id}</span>
          </Title>
          <Figures
            of={[
              ["Balance", <Money key="balance" of={account.balance} />],
              ["Credit limit", <Money key="limit" of={account.creditLimit} />],
              ["Status", <Status key="status" of={account.status} />],
              ["Statements", count(account.statements)],
            ]}
          />
          <Balance of={bookings.items} until={account.balance} />
          <Tabs of={["Bookings", "Statements"]} at={tab} to={setTab} label="What to see of the account" />
          {tab === "Bookings" ? <Bookings of={bookings} /> : <Statements id={id} />}
        </>
      )}
    </Show>
  );
}

/** The bookings of an account, read anew at each *version* of it. */
function useBookings(account: string, version: number | undefined) {
  const [items, setItems] = useState<Booking[]>();
  const [error, setError] = useState<Error>();
  const [next, setNext] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const page = useCallback(
    (cursor?: string) =>
      get("/bookings", {}, { account, sort: "-valueDate", limit: 500, cursor }).then((found) => {
        setItems((before) => (cursor ? [...(before ?? []), ...found.items] : found.items));
        setNext(found.next);
      }),
    [account],
  );
  useEffect(() => {
    if (version === undefined) return;
    setError(undefined);
    page().catch((failure: unknown) => setError(failure instanceof Error ? failure : new Error(String(failure))));
  }, [page, round, version]);
  return {
    items,
    error,
    again: () => setRound((n) => n + 1),
    more: next ? () => void page(next) : undefined,
  };
}

/** The balance after each day, from the balance now back through the bookings. */
function Balance({ of, until }: { of: Booking[] | undefined; until: { amount: string; currency: string } }) {
  const { x, y } = useMemo(() => {
    const days = new Map<number, number>();
    let balance = Number(until.amount);
    for (const one of of ?? []) {
      const day = Date.parse(one.valueDate) / 1000;
      if (!days.has(day)) days.set(day, balance);
      balance -= (one.direction === "credit" ? 1 : -1) * Number(one.amount.amount);
    }
    const sorted = [...days].sort(([a], [b]) => a - b);
    return { x: sorted.map(([day]) => day), y: sorted.map(([, value]) => value) };
  }, [of, until.amount]);
  if (x.length === 0) return null;
  return (
    <figure>
      <figcaption class="muted small">Balance after each day with a booking, in {until.currency}</figcaption>
      <Chart label="Balance over time" x={x} y={y} kind="step" height={180} format={(n) => decimal(n.toFixed(0))} />
    </figure>
  );
}

function Bookings({ of }: { of: ReturnType<typeof useBookings> }) {
  return (
    <Show of={{ value: of.items, error: of.error, again: of.again }}>
      {(items) =>
        items.length === 0 ? (
          <Empty title="Nothing is booked yet" />
        ) : (
          <Rows
            of={items}
            height={40}
            label="Bookings, the newest first"
            more={of.more}
            row={(one) => (
              <a class="booking" href={link("streams", "account", one.accountId, one.version)}>
                <span class="nowrap">{one.valueDate}</span>
                <span class="what">
                  {one.operation ?? one.direction}
                  {one.purpose && <span class="muted"> {one.purpose}</span>}
                </span>
                <Money of={{ ...one.amount, amount: one.direction === "debit" ? `-${one.amount.amount}` : one.amount.amount }} change />
              </a>
            )}
          />
        )
      }
    </Show>
  );
}

function Statements({ id }: { id: string }) {
  const loaded = useLoaded((signal) => get("/accounts/{id}/statements", { id }, { limit: 200 }, signal), [id]);
  return (
    <Show of={loaded}>
      {(list) =>
        list.items.length === 0 ? (
          <Empty title="No statement is closed yet" />
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Statements">
            <table>
              <thead>
                <tr>
                  <th scope="col">Statement</th>
                  <th scope="col">Through</th>
                  <th scope="col" class="number">Bookings</th>
                  <th scope="col" class="number">Opening</th>
                  <th scope="col" class="number">Credits</th>
                  <th scope="col" class="number">Debits</th>
                  <th scope="col" class="number">Closing</th>
                </tr>
              </thead>
              <tbody>
                {list.items.map((one) => (
                  <tr key={one.number}>
                    <th scope="row"><a href={link("accounts", id, "statements", one.number)}>{one.number}</a></th>
                    <td class="nowrap">{one.through}</td>
                    <td class="number">{count(one.bookingCount)}</td>
                    <td class="number"><Money of={one.openingBalance} plain /></td>
                    <td class="number"><Money of={one.credits} plain /></td>
                    <td class="number"><Money of={one.debits} plain /></td>
                    <td class="number"><Money of={one.closingBalance} plain /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      }
    </Show>
  );
}

export function Statement({ id, number }: { id: string; number: number }) {
  const loaded = useLoaded((signal) => get("/accounts/{id}/statements/{number}", { id, number }, { limit: 500 }, signal), [id, number]);
  return (
    <Show of={loaded} rows={10}>
      {(one) => (
        <article class="statement">
          <Title
            note={`${one.from ?? "the beginning"} to ${one.through}`}
            aside={
              <>
                <a class="button" href={link("accounts", id)}>Account</a>
                <button onClick={() => print()}>Print</button>
              </>
            }
          >
            Statement {one.number} of <span class="mono">{id}</span>
          </Title>
          <table>
            <thead>
              <tr>
                <th scope="col">Date</th>
                <th scope="col">What</th>
                <th scope="col" class="number">Amount in {one.currency}</th>
              </tr>
            </thead>
            <tbody>
              <tr class="sum">
                <td class="nowrap">{one.from}</td>
                <th scope="row">Opening balance</th>
                <td class="number"><Money of={one.openingBalance} plain /></td>
              </tr>
              {one.bookings.map((booking) => (
                <tr key={`${booking.version}-${booking.index}`}>
                  <td class="nowrap">{booking.valueDate}</td>
                  <td>{booking.operation ?? booking.direction} <span class="muted">{booking.purpose}</span></td>
                  <td class="number">
                    <Money of={{ ...booking.amount, amount: booking.direction === "debit" ? `-${booking.amount.amount}` : booking.amount.amount }} plain change />
                  </td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr class="sum">
                <td class="nowrap">{one.through}</td>
                <th scope="row">Closing balance</th>
                <td class="number"><Money of={one.closingBalance} plain /></td>
              </tr>
            </tfoot>
          </table>
          {one.next && <p class="muted">The first 500 of {many(one.bookingCount, "booking")}.</p>}
        </article>
      )}
    </Show>
  );
}

export function Transfers() {
  const [state, setState] = useState("");
  const loaded = useLoaded((signal) => get("/transfers", {}, { state, limit: 200 }, signal), [state]);
  return (
    <>
      <Title aside={<a class="button" href={link("accounts")}>Accounts</a>}>Transfers</Title>
      <div class="filters">
        <select aria-label="State" value={state} onChange={(event) => setState(event.currentTarget.value)}>
          <option value="">every state</option>
          {["requested", "debited", "refunding", "completed", "refused", "cancelled", "expired", "stuck"].map((one) => <option key={one}>{one}</option>)}
        </select>
        {loaded.value && <span class="muted" role="status">{many(loaded.value.total, "transfer")}</span>}
      </div>
      <Show of={loaded}>
        {(list) =>
          list.items.length === 0 ? (
            <Empty title="No transfer is like that">A transfer moves money between two accounts in steps; each of them shows here.</Empty>
          ) : (
            <Rows
              of={list.items}
              height={44}
              label="Transfers, the newest first"
              row={(one) => (
                <a class="account" href={link("accounts", "transfers", one.transferId)}>
                  <span class="mono">{one.transferId}</span>
                  <span class="what muted">{one.source} to {one.target}</span>
                  <span><Status of={one.state} /></span>
                  <Money of={one.amount} />
                </a>
              )}
            />
          )
        }
      </Show>
    </>
  );
}

export function Transfer({ id }: { id: string }) {
  const transfer = useLoaded((signal) => get("/transfers/{id}", { id }, {}, signal), [id]);
  const trace = useLoaded((signal) => get("/transfers/{id}/trace", { id }, {}, signal), [id]);
  return (
    <Show of={transfer} rows={8}>
      {(one) => (
        <>
          <Title note={one.purpose ?? undefined} aside={<a class="button" href={link("streams", "transfer", id)}>Stream</a>}>
            Transfer <span class="mono">{id}</span>
          </Title>
          <Figures
            of={[
              ["Amount", <Money key="amount" of={one.amount} />],
              ["From", <a key="from" class="mono" href={link("accounts", one.source)}>{one.source}</a>],
              ["To", <a key="to" class="mono" href={link("accounts", one.target)}>{one.target}</a>],
              ["State", <Status key="state" of={one.state} />],
              ...(one.reason ? ([["Reason", one.reason]] as [string, string][]) : []),
            ]}
          />
          <h2>Trace</h2>
          <Show of={trace}>{(found) => <Sequence of={found.commits} />}</Show>
        </>
      )}
    </Show>
  );
}

/** The commits of several streams as a sequence diagram: a column for each stream, time downwards. */
function Sequence({ of }: { of: Schemas["TracedCommit"][] }) {
  const streams = [...new Set(of.map((one) => one.stream))];
  const wide = matchMedia("(max-width: 760px)").matches ? 118 : 220;
  const line = 15;
  const high = 47 + line * Math.max(...of.map((one) => one.events.length));
  const bend = wide * 0.36;
  const x = (stream: string) => streams.indexOf(stream) * wide + wide / 2;
  const y = (at: number) => 74 + at * high;
  const place = new Map(of.map((one, at) => [`${one.stream}@${one.version}`, at]));
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="The trace as a sequence diagram">
        <svg class="sequence" width={streams.length * wide} height={y(of.length)} role="img" aria-label={`${many(of.length, "commit")} in ${many(streams.length, "stream")}`}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0 0 8 4 0 8z" />
            </marker>
          </defs>
          {streams.map((stream) => (
            <g key={stream}>
              <line class="life" x1={x(stream)} x2={x(stream)} y1={44} y2={y(of.length) - 20} />
              <text class="who" x={x(stream)} y={20} text-anchor="middle">{parts(stream).category}</text>
              <text class="id" x={x(stream)} y={37} text-anchor="middle">{parts(stream).key}</text>
            </g>
          ))}
          {of.flatMap((one, at) =>
            one.causes.map((cause) => {
              const from = place.get(`${cause.stream}@${cause.version}`);
              if (from === undefined || cause.stream === one.stream) return null;
              const side = x(cause.stream) < x(one.stream) ? 1 : -1;
              return (
                <path
                  key={`${one.stream}${one.version}${cause.stream}`}
                  class="cause"
                  marker-end="url(#arrow)"
                  d={`M${x(cause.stream) + 6 * side} ${y(from)} C ${x(cause.stream) + bend * side} ${y(from)} ${x(one.stream) - bend * side} ${y(at)} ${x(one.stream) - 9 * side} ${y(at)}`}
                />
              );
            }),
          )}
          {of.map((one, at) => (
            <g key={`${one.stream}@${one.version}`}>
              <circle class="knot" cx={x(one.stream)} cy={y(at)} r={5} />
              {one.events.map((event, number) => (
                <text key={number} class="what" x={x(one.stream)} y={y(at) + 20 + line * number} text-anchor="middle">{event.name}</text>
              ))}
            </g>
          ))}
        </svg>
      </div>
      <ol class="inside">
        {of.map((one) => (
          <li key={`${one.stream}@${one.version}`}>
            <StreamLink stream={one.stream} version={one.version} /> {one.events.map((event) => event.name).join(", ")}{" "}
            <span class="muted"><Time at={one.at} short /></span>
          </li>
        ))}
      </ol>
    </>
  );
}
