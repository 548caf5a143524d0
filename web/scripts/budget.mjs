// Fails the build when the first load grows past its budget. Sizes are gzip
// bytes of what index.html pulls in before any page is chosen, then of each
// lazy chunk.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const budget = { firstJs: 170_000, firstCss: 20_000, lazyChunk: 40_000 };

const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
const entry = Object.values(manifest).find((chunk) => chunk.isEntry);

const first = new Set();
const walk = (chunk) => {
  if (first.has(chunk)) return;
  first.add(chunk);
  for (const key of chunk.imports ?? []) walk(manifest[key]);
};
walk(entry);

const js = [...first].reduce((sum, chunk) => sum + size(chunk.file), 0);
const cssFiles = new Set([...first].flatMap((chunk) => chunk.css ?? []));
const css = [...cssFiles].reduce((sum, file) => sum + size(file), 0);
const over = [];
const check = (name, bytes, limit) => {
  console.log(`${name.padEnd(44)} ${(bytes / 1000).toFixed(1).padStart(7)} kB of ${limit / 1000}`);
  if (bytes > limit) over.push(name);
};
check("first load, JavaScript", js, budget.firstJs);
check("first load, CSS", css, budget.firstCss);
for (const chunk of Object.values(manifest)) {
  if (first.has(chunk) || !chunk.file.endsWith(".js")) continue;
  const bytes = size(chunk.file);
  if (bytes > 3_000) check(`lazy ${chunk.name ?? chunk.file}`, bytes, budget.lazyChunk);
}
if (over.length > 0) {
  console.error(`over budget: ${over.join(", ")}`);
  process.exit(1);
}
