// Runs the end-to-end tests against QRIE_URL, or against the fixture server.
// QRIE_SHOTS names a folder for screenshots.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { start } from "./fixture-server.mjs";

const here = new URL(".", import.meta.url).pathname;
const wanted = process.argv.slice(2);
const specs = readdirSync(here)
  .filter(
    (name) =>
      name.endsWith(".spec.mjs") && (wanted.length === 0 || wanted.some((w) => name.startsWith(w))),
  )
  .map((name) => here + name);
const server = process.env.QRIE_URL ? undefined : await start();
const child = spawn(process.execPath, ["--test", "--test-concurrency=1", ...specs], {
  stdio: "inherit",
  env: { ...process.env, QRIE_URL: process.env.QRIE_URL ?? server.url },
});
child.on("exit", (code) => {
  server?.close();
  process.exit(code ?? 1);
});
