/* Imported first: uPlot asks for numbers in the browser's language, and ends the page if that is no
 * language tag. Chromium has "en-US@posix" where the machine's locale is POSIX. */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}
