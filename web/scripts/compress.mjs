// Writes .gz and .br beside every text file of dist, so that the server never
// compresses a static file itself. A variant that saves nothing is not written.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const text = new Set([".js", ".css", ".html", ".svg", ".json", ".txt"]);

for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || !text.has(extname(path)) || path.includes("/.vite/")) continue;
  const raw = await readFile(path);
  const variants = {
    ".gz": gzipSync(raw, { level: 9 }),
    ".br": brotliCompressSync(raw, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
      },
    }),
  };
  for (const [suffix, packed] of Object.entries(variants)) {
    if (packed.length < raw.length) await writeFile(path + suffix, packed);
  }
}
