import { defineConfig } from "vite";

// Every file lies beside index.html under a name with its hash, and refers to the others from
// where it is: the console works under any path.
export default defineConfig({
  base: "./",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { assetsDir: "", target: "es2022", modulePreload: { polyfill: false }, reportCompressedSize: true },
});
