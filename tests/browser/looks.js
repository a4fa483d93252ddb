// What the journeys through the console share: a browser with windows in every shape, and looks at pages.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHAPES = {
  desktop: { width: 1360, height: 860 },
  phone: { width: 390, height: 844 },
};

/** A browser at the API at *url*, for people with *token*; screenshots go into *folder*. */
export async function looking(url, folder, token) {
  mkdirSync(folder, { recursive: true });
  const seen = { pages: [], violations: [], complaints: [], requests: new Set() };
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    // In a single process the browser would end with the first context that is closed.
    args: [...chromium.args.filter((one) => one !== "--single-process"), "--font-render-hinting=none"],
  });

  async function opened(shape, dark, signedIn = true) {
    const context = await browser.newContext({
      viewport: SHAPES[shape],
      colorScheme: dark ? "dark" : "light",
      locale: "en-GB",
      timezoneId: "Europe/Prague",
      reducedMotion: "reduce",
      bypassCSP: false,
    });
    // As where the machine's locale is POSIX: no language tag.
    await context.addInitScript(() => Object.defineProperty(navigator, "language", { value: "en-US@posix", configurable: true }));
    if (signedIn) await context.addInitScript((kept) => sessionStorage.setItem("leftfold-token", kept), token);
    const page = await context.newPage();
    // A busy machine is no fault of the page.
    page.setDefaultTimeout(60_000);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") seen.complaints.push(message.text());
    });
    page.on("pageerror", (error) => seen.complaints.push(String(error)));
    page.on("request", (request) => seen.requests.add(new URL(request.url()).host));
    return page;
  }

  async function go(page, [name, place, text]) {
    await page.goto(`${url}/console/index.html${place}`);
    await page.getByText(text).first().waitFor({ timeout: 60_000 });
  }

  async function checked(page, name) {
    // Evaluated by the debugger, which the page's policy does not stop.
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    for (const one of violations) {
      seen.violations.push(`${name}: ${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
    }
  }

  /** Each of *pages* in a shape: axe, its width, and a screenshot. */
  async function look(shape, dark, pages) {
    const page = await opened(shape, dark);
    for (const one of pages) {
      const name = `${one[0]}-${shape}-${dark ? "dark" : "light"}`;
      await go(page, one);
      if (one[0] === "model") await page.locator(".model .count").first().waitFor();
      await checked(page, name);
      const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      if (wide > 0) seen.violations.push(`${name}: the page is ${wide} px wider than the window`);
      await page.screenshot({ path: `${folder}/${name}.png` });
      seen.pages.push(name);
    }
    await page.context().close();
  }

  return { browser, seen, opened, go, checked, look };
}
