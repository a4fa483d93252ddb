/* Ledgers: the chart with a trial balance, and balance sheet and income statement of several years. */
import { useState } from "preact/hooks";
import { get, Problem, type Schemas } from "../api";
import { count, decimal, many } from "../format";
import { link, useLoaded } from "../state";
import { Chip, Empty, Figures, Money, Show, Tabs, Title } from "../ui";

type Amount = Schemas["Amount"];

/** The ledgers that the feed knows: it has no list, and a category of its own. */
async function ledgers(signal: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  let after: string | undefined;
  for (let pages = 0; pages < 20; pages++) {
    const page = await get("/log", {}, { category: "ledger", limit: 500, after }, signal);
    for (const one of page.items) found.add(one.id);
    if (page.atEnd) break;
    after = page.next;
  }
  return [...found].sort();
}

export function Ledgers() {
  const loaded = useLoaded(ledgers, []);
  return (
    <>
      <Title>Ledgers</Title>
      <Show of={loaded}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="There is no ledger yet">`leftfold import examples/example.beancount.gz --ledger example` makes one of five years.</Empty>
          ) : (
            <ul class="cards">
              {found.map((id) => (
                <li key={id}>
                  <a href={link("ledgers", id)}><strong class="mono">{id}</strong></a>
                </li>
              ))}
            </ul>
          )
        }
      </Show>
    </>
  );
}

export function Ledger({ id }: { id: string }) {
  const [tab, setTab] = useState("Trial balance");
  const loaded = useLoaded((signal) => get("/ledgers/{id}", { id }, {}, signal), [id]);
  return (
    <Show of={loaded} rows={10}>
      {(ledger) => {
        const years = ledger.years.map((one) => one.year).slice(-3);
        return (
          <>
            <Title note={ledger.name} aside={<a class="button" href={link("streams", "ledger", id)}>Stream</a>}>
              Ledger <span class="mono">{id}</span>
            </Title>
            <Figures
              of={[
                ["Accounts", count(ledger.accounts.length)],
                ["Journals", count(ledger.journals)],
                ["Years", ledger.years.map((one) => <Chip key={one.year} tone={one.state === "open" ? "good" : "plain"}>{one.year} {one.state}</Chip>)],
              ]}
            />
            <Tabs of={["Trial balance", "Balance sheet", "Income statement"]} at={tab} to={setTab} label="Reports" />
            {tab === "Trial balance" && <Trial id={id} />}
            {tab === "Balance sheet" && <Sheets id={id} years={years} />}
            {tab === "Income statement" && <Incomes id={id} years={years} />}
          </>
        );
      }}
    </Show>
  );
}

function Trial({ id }: { id: string }) {
  const loaded = useLoaded((signal) => get("/ledgers/{id}/trial-balance", { id }, {}, signal), [id]);
  return (
    <Show of={loaded} rows={10}>
      {(trial) => (
        <>
          <p class="muted">
            {trial.since} to {trial.asOf}.{" "}
            {trial.differences.every((one) => /^-?0+(\.0+)?$/.test(one.amount)) ? (
              <Chip tone="good">debits equal credits</Chip>
            ) : (
              <Chip tone="bad">it does not balance</Chip>
            )}
          </p>
          {trial.items.length === 0 ? (
            <Empty title="Nothing is booked yet" />
          ) : (
            <div class="scroll" tabIndex={0} role="region" aria-label="Trial balance">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Account</th>
                    <th scope="col" class="spare">Type</th>
                    <th scope="col" class="number">Opening</th>
                    <th scope="col" class="number">Debits</th>
                    <th scope="col" class="number">Credits</th>
                    <th scope="col" class="number pinned">Balance</th>
                    <th scope="col">Unit</th>
                  </tr>
                </thead>
                <tbody>
                  {trial.items.map((one, at) => (
                    <tr key={at}>
                      <th scope="row"><Code of={one.account} /></th>
                      <td class="muted spare">{one.type}</td>
                      <td class="number"><Money of={one.opening} plain /></td>
                      <td class="number"><Money of={one.debits} plain /></td>
                      <td class="number"><Money of={one.credits} plain /></td>
                      <td class="number strong pinned"><Money of={one.balance} plain /></td>
                      <td class="muted">{one.balance.currency}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </>
      )}
    </Show>
  );
}

function Code({ of }: { of: string }) {
  const at = of.lastIndexOf(":");
  return (
    <span class="code">
      <span class="muted">{of.slice(0, at + 1)}</span>
      {of.slice(at + 1)}
    </span>
  );
}

interface Section {
  name: string;
  lines: { account: string; amount: Amount }[];
}

interface Year {
  year: number;
  sections: Section[];
  sums: [string, Amount[]][];
}

/** Reports side by side: a row for each account and unit, a column for each year. */
function SideBySide({ of, label }: { of: Year[]; label: string }) {
  const names = [...new Set(of.flatMap((one) => one.sections.map((section) => section.name)))];
  const sums = of[0]?.sums.map(([name]) => name) ?? [];
  const amount = (lines: { account: string; amount: Amount }[] | undefined, key: string) =>
    lines?.find((line) => `${line.account} ${line.amount.currency}` === key)?.amount;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            <th scope="col">Account</th>
            {of.map((one) => <th key={one.year} scope="col" class="number">{one.year}</th>)}
            <th scope="col">Unit</th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const of_name = of.map((one) => one.sections.find((section) => section.name === name)?.lines);
            const keys = [...new Set(of_name.flatMap((lines) => lines?.map((line) => `${line.account} ${line.amount.currency}`) ?? []))].sort();
            return [
              <tr key={name} class="section">
                <th scope="rowgroup" colSpan={of.length + 2}>{name}</th>
              </tr>,
              ...keys.map((key) => (
                <tr key={`${name} ${key}`}>
                  <th scope="row"><Code of={key.slice(0, key.lastIndexOf(" "))} /></th>
                  {of_name.map((lines, at) => {
                    const found = amount(lines, key);
                    return <td key={at} class="number">{found ? <Money of={found} plain /> : <span class="none">–</span>}</td>;
                  })}
                  <td class="muted">{key.slice(key.lastIndexOf(" ") + 1)}</td>
                </tr>
              )),
            ];
          })}
        </tbody>
        <tfoot>
          {sums.flatMap((name, nth) => {
            const units = [...new Set(of.flatMap((one) => one.sums[nth]?.[1].map((sum) => sum.currency) ?? []))].sort();
            return units.map((unit) => (
              <tr key={`${name} ${unit}`} class="sum">
                <th scope="row">{name}</th>
                {of.map((one) => {
                  const found = one.sums[nth]?.[1].find((sum) => sum.currency === unit);
                  return <td key={one.year} class="number">{found ? decimal(found.amount) : <span class="none">–</span>}</td>;
                })}
                <td class="muted">{unit}</td>
              </tr>
            ));
          })}
        </tfoot>
      </table>
    </div>
  );
}

/** The reports of *years*; a year that has none is left out. */
async function ofYears(years: number[], one: (year: number) => Promise<Year>): Promise<Year[]> {
  const made = await Promise.all(
    years.map((year) =>
      one(year).catch((error: unknown) => {
        if (error instanceof Problem && error.status < 500) return undefined;
        throw error;
      }),
    ),
  );
  return made.filter((report) => report !== undefined);
}

function Sheets({ id, years }: { id: string; years: number[] }) {
  const loaded = useLoaded(
    (signal) =>
      ofYears(years, async (year) => {
        const sheet = await get("/ledgers/{id}/balance-sheet", { id }, { asOf: `${year}-12-31` }, signal);
        return {
          year,
          sections: [
            { name: "Assets", lines: sheet.assets },
            { name: "Liabilities", lines: sheet.liabilities },
            { name: "Equity", lines: sheet.equity },
          ],
          sums: [
            ["Profit of the year", sheet.profit],
            ["Assets", sheet.totalAssets],
            ["Liabilities and equity", sheet.totalLiabilitiesAndEquity],
          ],
        };
      }),
    [id, years],
  );
  return <Reports of={loaded} label="Balance sheets" />;
}

function Incomes({ id, years }: { id: string; years: number[] }) {
  const loaded = useLoaded(
    (signal) =>
      ofYears(years, async (year) => {
        const report = await get("/ledgers/{id}/income-statement", { id }, { year }, signal);
        return {
          year,
          sections: [
            { name: "Income", lines: report.income },
            { name: "Expenses", lines: report.expenses },
          ],
          sums: [["Profit", report.profit]],
        };
      }),
    [id, years],
  );
  return <Reports of={loaded} label="Income statements" />;
}

function Reports({ of, label }: { of: ReturnType<typeof useLoaded<Year[]>>; label: string }) {
  return (
    <Show of={of} rows={10}>
      {(years) => (years.length === 0 ? <Empty title="No year has this report" /> : (
        <>
          <p class="muted">{many(years.length, "year")} side by side, as of each year's end.</p>
          <SideBySide of={years} label={label} />
        </>
      ))}
    </Show>
  );
}
