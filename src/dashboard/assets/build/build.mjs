// Builds ../echarts.min.js from the versions of package-lock.json; the same lock file gives the same bytes.
// `--check` builds in memory and fails where the committed file differs.
import { build } from "esbuild";
import { readFile } from "node:fs/promises";

const target = new URL("../echarts.min.js", import.meta.url).pathname;
const result = await build({
  entryPoints: [new URL("entry.mjs", import.meta.url).pathname],
  outfile: target,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "echarts",
  target: "es2020",
  charset: "ascii",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  banner: { js: "/*! Apache ECharts 6.1.0, zrender 6, tslib 2: see NOTICE-echarts.txt of viewmart */" },
  write: !process.argv.includes("--check"),
});
if (result.outputFiles) {
  const same = Buffer.compare(Buffer.from(result.outputFiles[0].contents), await readFile(target)) === 0;
  console.log(same ? "echarts.min.js is what its lock file builds" : "echarts.min.js differs from what its lock file builds");
  process.exitCode = same ? 0 : 1;
}
