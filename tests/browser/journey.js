// Goes through every page of the console in Chromium: node journey.js URL SCREENSHOTS SHAPES TOKEN ISSUER
// Writes one JSON object: what was seen, which rules of axe a page breaks, and what the browser
// complained of. SHAPES is "all", or one look at each page: half of them light on a desktop, half
// dark on a phone.
import { looking } from "./looks.js";

const [url, folder, asked, token, issuer] = process.argv.slice(2);
const { browser, seen, opened, go, checked, look } = await looking(url, folder, token);

// Each page: its name, its place, and a text that shows that it is there.
const PAGES = [
  ["streams", "#/streams", "Changed last"],
  ["stream", "#/streams/account/1001", "account-credited"],
  ["log", "#/log", "Commits in each"],
  ["block", "#/log/3", "hash is right"],
  ["readers", "#/readers/balances", "Redrive all"],
  ["accounts", "#/accounts", "Balance of all"],
  ["account", "#/accounts/1001", "Balance after each day"],
  ["statement", "#/accounts/1001/statements/3", "Closing balance"],
  ["unreadable", "#/streams/transfer/rent-9/2", "UnknownEvent"],
  ["transfers", "#/accounts/transfers", "rent-1"],
  ["transfer", "#/accounts/transfers/rent-1", "transfer-completed"],
  ["ledgers", "#/ledgers", "household"],
  ["ledger", "#/ledgers/household", "debits equal credits"],
  ["model", "#/model", "Views and policies"],
];
const looks = asked === "all"
  ? ["desktop", "phone"].flatMap((shape) => [false, true].map((dark) => [shape, dark, PAGES]))
  : [["desktop", false, PAGES.filter((_, at) => at % 2 === 0)], ["phone", true, PAGES.filter((_, at) => at % 2 === 1)]];
for (const one of looks) await look(...one);

// What people do.
const stranger = await opened("desktop", false, false);
await stranger.goto(`${url}/console/index.html`);
await stranger.getByText("Every request needs an access token").waitFor({ timeout: 60_000 });
await stranger.getByText("Use an access token instead").click();
await checked(stranger, "sign-in");
await stranger.screenshot({ path: `${folder}/sign-in-desktop-light.png` });
await stranger.getByLabel("Access token").fill("wrong");
await stranger.getByRole("button", { name: "Use this token" }).click();
await stranger.getByText("The access token has expired").waitFor({ timeout: 60_000 });
await stranger.getByText("Use an access token instead").click();
await stranger.getByLabel("Access token").fill(token);
await stranger.getByRole("button", { name: "Use this token" }).click();
await stranger.getByText("Changed last").waitFor({ timeout: 60_000 });
await stranger.context().close();
seen.pages.push("signed in by a token");

// At an issuer that behaves, and at one that does not.
const guest = await opened("desktop", false, false);
const signIn = async (mode, place = "#/log") => {
  await guest.request.get(`${issuer}/mode?${mode}`);
  await guest.goto("about:blank");
  await guest.goto(`${url}/console/index.html${place}`);
  await guest.getByRole("button", { name: "Sign in at" }).click();
};
const said = (text) => guest.getByText(text).first().waitFor({ timeout: 60_000 });
const kept = () => guest.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
const signOut = async () => {
  await guest.getByRole("button", { name: "Sign out" }).click();
  await said("Every request needs an access token");
};
await signIn("");
await said("Commits in each");
if (guest.url() !== `${url}/console/index.html#/log`) seen.violations.push(`a code stays in the address: ${guest.url()}`);
if (/signing-in|refresh/.test(await kept())) seen.violations.push("more than the access token is kept");
if (await guest.evaluate(() => Object.keys(localStorage).some((name) => name.includes("token")))) seen.violations.push("a token outlives its tab");
seen.pages.push("signed in at the issuer");
await signOut();
await signIn("expired");
await said("Commits in each");
seen.pages.push("an expired token renewed");
await signOut();
await signIn("ended");
await said("The access token has expired");
seen.pages.push("a session that has ended");
await signIn("denied");
await said("Ada said no");
await signIn("other-nonce");
await said("The issuer answered another sign-in");
await guest.evaluate(() => sessionStorage.setItem("leftfold-signing-in", JSON.stringify({ verifier: "v", state: "mine", nonce: "n", place: "" })));
await guest.goto(`${url}/console/index.html?code=stolen&state=theirs`);
await said("This sign-in did not begin in this tab");
await checked(guest, "sign-in that failed");
await guest.screenshot({ path: `${folder}/sign-in-failed-desktop-light.png` });
seen.pages.push("sign-ins that are refused");
await guest.context().close();
// The browser reports the requests that were refused on purpose.
seen.complaints = seen.complaints.filter((one) => !/status of 40[01]/.test(one));

const page = await opened("desktop", false);
const shown = (text) => page.getByText(text).first().waitFor({ timeout: 60_000 });
const headers = { Authorization: `Bearer ${token}` };

await go(page, PAGES[0]);
await page.keyboard.press("/");
await page.keyboard.type("pension");
await shown("a booking on");
seen.pages.push("found by words");

await page.locator("#find").fill("transfers");
await shown("transfer-completed, version");
seen.pages.push("found by category");

await go(page, PAGES[1]);
const newest = await page.locator(".commit[aria-current]").getAttribute("href");
await page.keyboard.press("j");
await page.waitForURL((to) => to.hash !== "" && to.hash !== newest && /\/\d+(\?|$)/.test(to.hash));
await page.getByRole("tab", { name: "State" }).click();
await shown("members differ");
await page.getByRole("tab", { name: "Rows" }).click();
await shown("balances");
await checked(page, "rows");
await page.screenshot({ path: `${folder}/rows-desktop-light.png` });
seen.pages.push("a commit's rows, by keys");

await go(page, ["", "#/streams/transfer/rent-1/1", "transfer-requested"]);
await page.locator(".consequences").getByText("taken").waitFor();
await checked(page, "consequences");
await page.screenshot({ path: `${folder}/consequences-desktop-light.png` });
await page.locator(".consequences").getByRole("link", { name: "account-" }).click();
await page.waitForURL((to) => to.hash.startsWith("#/streams/account/1001/"));
await shown("account-debited");
await page.locator(".facts").getByRole("link", { name: "transfer-rent-1@1" }).click();
await page.waitForURL((to) => to.hash.startsWith("#/streams/transfer/rent-1/1"));
seen.pages.push("from a commit to what it led to, and back");

await page.locator(".facts a[href*='correlation=']").click();
await shown("of this correlation id in the whole log");
await page.waitForFunction(() => document.querySelectorAll(".logged").length === 5);
await checked(page, "a correlation id");
await page.screenshot({ path: `${folder}/correlation-desktop-light.png` });
seen.pages.push("all commits of a correlation id");

await go(page, PAGES[2]);
const before = await page.locator(".logged").first().innerText();
await page.request.post(`${url}/accounts/1001/credits`, { headers, data: { amount: { amount: "5.00", currency: "CZK" }, valueDate: "2026-01-03" } });
await page.waitForFunction((old) => document.querySelector(".logged")?.innerText !== old, before, { timeout: 60_000 });
seen.pages.push("the log as it grows");

await go(page, PAGES[6]);
const balance = await page.locator(".figures .money").first().innerText();
await page.request.post(`${url}/accounts/1001/credits`, { headers, data: { amount: { amount: "5.00", currency: "CZK" }, valueDate: "2026-01-03" } });
await page.waitForFunction((old) => document.querySelector(".figures .money")?.innerText !== old, balance, { timeout: 60_000 });
seen.pages.push("a balance that changes while one looks");

await go(page, ["", "#/readers", "Looked at"]);
const host = new URL(url).origin;
await page.request.post(`${host}/hold`);
for (const amount of ["1.00", "2.00"]) {
  await page.request.post(`${url}/accounts/1001/credits`, { headers, data: { amount: { amount, currency: "CZK" }, valueDate: "2026-01-03" } });
}
const balances = page.locator("tr", { has: page.getByRole("link", { name: "balances", exact: true }) });
await balances.locator(".warned").first().waitFor();
await page.locator(".chart canvas").waitFor();
await checked(page, "a view that is behind");
await page.screenshot({ path: `${folder}/behind-desktop-light.png` });
await page.request.post(`${host}/release`);
await balances.locator(".warned").first().waitFor({ state: "detached" });
seen.pages.push("a view that falls behind while one watches");

await go(page, PAGES[4]);
await page.getByText("The event, and the state before it").click();
await shown("State before");
await shown("account-credited");
await checked(page, "a parked stream");
await page.screenshot({ path: `${folder}/parked-desktop-light.png` });
seen.pages.push("what a parked stream stands on");

await page.getByText("Pass over this commit").click();
await page.getByLabel("Why").fill("the account is closed anyway");
await page.getByRole("button", { name: "Propose" }).click();
await shown("balances passes over this commit");
await page.getByRole("button", { name: "Approve" }).click();
await shown("That did not work");
await checked(page, "a proposal");
await page.screenshot({ path: `${folder}/skip-desktop-light.png` });
await page.getByRole("button", { name: "Take back" }).click();
await page.getByText("balances passes over this commit").waitFor({ state: "detached" });
seen.pages.push("a commit proposed to be passed over, and taken back");
// The browser reports that nobody may approve what is their own.
seen.complaints = seen.complaints.filter((one) => !/status of 403/.test(one));

await go(page, ["", "#/streams/transfer/rent-9/2", "UnknownEvent"]);
await page.getByText("Propose a correction").click();
await page.getByLabel("It is read as").fill("[]");
await page.getByLabel("Why").fill("the release was taken back");
await page.getByRole("button", { name: "Propose" }).click();
await shown("Correction of event 0");
await checked(page, "a correction");
await page.screenshot({ path: `${folder}/correction-desktop-light.png` });
seen.pages.push("an event that nobody can read, and its correction");

await go(page, PAGES[4]);
await page.getByRole("button", { name: "Redrive all" }).click();
await shown("1 stream went on");
await shown("No stream is parked");
seen.pages.push("a parked stream redriven");

await page.route("**/readers", (route) => route.abort());
await page.goto(`${url}/console/index.html#/readers`);
await page.reload();
await shown("The server cannot be reached");
seen.pages.push("an error with its cure");
// The browser reports the request that was let down on purpose.
seen.complaints = seen.complaints.filter((one) => !one.includes("ERR_FAILED"));

console.log(JSON.stringify({ ...seen, requests: [...seen.requests] }));
await browser.close();
