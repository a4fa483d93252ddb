import { defineConfig } from "vite";

// Every file lies beside index.html under a name with its hash, and refers to the others from
// where it is: the console works under any path. Browsers have had light-dark() since May 2024;
// without this, Vite adds what stands in for it.
export default defineConfig({
  base: "./",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { assetsDir: "", target: "es2022", cssTarget: ["chrome123", "firefox120", "safari17.5"], modulePreload: { polyfill: false }, reportCompressedSize: true },
});
