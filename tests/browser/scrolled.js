// Scrolls through a long stream: node scrolled.js URL TOKEN ROWS
// Writes one JSON object: how many rows there were, how many of them were in the page, and
// how long its frames took.
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const [url, token, rows] = process.argv.slice(2);
const browser = await playwright.launch({ executablePath: await chromium.executablePath(), args: chromium.args });
const page = await browser.newPage({ viewport: { width: 1360, height: 860 } });
page.setDefaultTimeout(300_000);
await page.addInitScript((kept) => sessionStorage.setItem("leftfold-token", kept), token);

/** Scrolls to the end until no more rows come; then up and down, a window's height each frame. */
async function scrolled(place) {
  await page.goto(`${url}/console/index.html${place}`);
  await page.reload();
  await page.locator(".rows .row-at").first().waitFor();
  return page.evaluate(async (wanted) => {
    const box = document.querySelector(".rows");
    const row = () => document.querySelector(".rows .row-at").offsetHeight;
    const held = () => Math.round(box.querySelector(".runway").offsetHeight / row());
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    while (held() < wanted) {
      box.scrollTop = box.scrollHeight;
      await new Promise((next) => setTimeout(next, 50));
    }
    const took = [];
    let most = 0;
    let before = await frame();
    for (const way of [-1, 1]) {
      for (let seen = 0; seen < 300; seen += 1) {
        box.scrollTop += way * box.clientHeight;
        const now = await frame();
        took.push(now - before);
        before = now;
        most = Math.max(most, box.querySelectorAll(".row-at").length);
      }
    }
    took.sort((a, b) => a - b);
    const at = (part) => Math.round(took[Math.floor(part * (took.length - 1))] * 10) / 10;
    return { rows: held(), inPage: most, frames: took.length, p50: at(0.5), p99: at(0.99), longest: at(1) };
  }, Number(rows));
}

const seen = { stream: await scrolled("#/streams/account/long") };
console.log(JSON.stringify(seen));
await browser.close();
