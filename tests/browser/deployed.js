// What people do with the console of a deployment on MiniStack:
// node deployed.js URL SCREENSHOTS TOKEN FACTS, where FACTS is JSON: the account, the parked one, an
// expired token, a token that may send commands, MiniStack's address and the name of the function of the view balances.
// Writes one JSON object, as journey.js does.
import { looking } from "./looks.js";

const [url, folder, token, facts] = process.argv.slice(2);
const { account, parked, expired, writer, engine, balances: view } = JSON.parse(facts);
const { browser, seen, opened, go, checked, look } = await looking(url, folder, token);
const headers = { Authorization: `Bearer ${writer}` };
const credit = (amount) => ({ headers, data: { amount: { amount, currency: "CZK" }, valueDate: "2026-01-03" } });

const booked = async (amount) => {
  const answer = await page.request.post(`${url}/accounts/${account}/credits`, credit(amount));
  if (!answer.ok()) throw new Error(await answer.text());
};

const PAGES = [
  ["streams", "#/streams", "Changed last"],
  ["stream", `#/streams/account/${account}`, "account-"],
  ["log", "#/log", "Commits in each"],
  ["block", "#/log/3", "hash is right"],
  ["readers", "#/readers/balances", "Redrive all"],
  ["accounts", "#/accounts", "Balance of all"],
  ["account", `#/accounts/${account}`, "Balance after each day"],
  ["statement", `#/accounts/${account}/statements/1`, "Closing balance"],
  ["transfers", "#/accounts/transfers", "rent-1"],
  ["transfer", "#/accounts/transfers/rent-1", "transfer-completed"],
  ["ledgers", "#/ledgers", "household"],
  ["ledger", "#/ledgers/household", "debits equal credits"],
  ["model", "#/model", "Views and policies"],
];
for (const shape of ["desktop", "phone"]) await look(shape, shape === "phone", PAGES);

const late = await opened("desktop", false, false);
await late.addInitScript((kept) => sessionStorage.setItem("leftfold-token", kept), expired);
await late.goto(`${url}/console/index.html#/log`);
await late.getByText("The access token has expired").first().waitFor();
await checked(late, "an expired token");
await late.context().close();
seen.pages.push("an expired token");
seen.complaints = seen.complaints.filter((one) => !/status of 40[013]/.test(one));

const page = await opened("desktop", false);
const shown = (text) => page.getByText(text).first().waitFor();

await go(page, PAGES[2]);
const before = await page.locator(".logged").first().innerText();
await booked("5.00");
await page.waitForFunction((old) => document.querySelector(".logged")?.innerText !== old, before);
seen.pages.push("the log as it grows");

await go(page, PAGES[6]);
const balance = await page.locator(".figures .money").first().innerText();
await booked("5.00");
await page.waitForFunction((old) => document.querySelector(".figures .money")?.innerText !== old, balance);
seen.pages.push("a balance that changes while one looks");

// The view's function is throttled, and then not.
await go(page, ["", "#/readers", "Looked at"]);
const concurrency = `${engine}/2017-10-31/functions/${view}/concurrency`;
await page.request.put(concurrency, { data: { ReservedConcurrentExecutions: 0 } });
for (const amount of ["1.00", "2.00"]) await booked(amount);
const row = page.locator("tr", { has: page.getByRole("link", { name: "balances", exact: true }) });
await row.locator(".warned").first().waitFor();
await page.screenshot({ path: `${folder}/behind-desktop-light.png` });
await page.request.delete(`${engine}/2017-10-31/functions/${view}/concurrency`);
await row.locator(".warned").first().waitFor({ state: "detached" });
seen.pages.push("a view that falls behind while one watches");

await go(page, PAGES[4]);
await shown(`account-${parked}`);
await page.getByRole("button", { name: "Redrive all" }).click();
await shown("1 stream went on");
await shown("No stream is parked");
await page.screenshot({ path: `${folder}/redriven-desktop-light.png` });
seen.pages.push("a parked stream redriven");

console.log(JSON.stringify({ ...seen, requests: [...seen.requests] }));
await browser.close();
