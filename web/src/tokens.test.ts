import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

// Holds the contrast of the colours: text 4.5 to 1, marks and borders of
// controls 3 to 1, in both themes, on every ground they are used on.

const source = join(process.cwd(), "src");
const css = readFileSync(join(source, "tokens.css"), "utf8");
const tokens = new Map<string, [string, string]>();
for (const [, name, light, dark] of css.matchAll(
  /--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g,
)) {
  tokens.set(name as string, [light as string, dark as string]);
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (hi + 0.05) / (lo + 0.05);
}

const bands = ["critical", "high", "medium", "low", "info"];
const grounds = ["bg", "surface", "sunken", "selected"];
const pairs: [string, string, number][] = [
  ...["text-1", "text-2", ...bands.map((b) => `${b}-text`)].flatMap((t) =>
    grounds.map((g): [string, string, number] => [t, g, 4.5]),
  ),
  ...["bg", "surface", "sunken"].flatMap((g): [string, string, number][] => [
    ["text-3", g, 4.5],
    ["accent", g, 4.5],
    ["ok", g, 4.5],
  ]),
  ...bands.flatMap((b) => ["surface"].map((g): [string, string, number] => [`${b}-mark`, g, 3])),
  ["control", "surface", 3],
  ["on-ink", "text-1", 4.5],
  ["text-1", "diff-add", 4.5],
  ["text-1", "diff-remove", 4.5],
  ["text-2", "diff-remove", 4.5],
];

describe.each([
  ["light", 0],
  ["dark", 1],
] as const)("%s", (_, theme) => {
  test.each(pairs)("%s on %s reaches %f to 1", (front, ground, least) => {
    const a = tokens.get(front)?.[theme];
    const b = tokens.get(ground)?.[theme];
    if (!a || !b) throw new Error(`a token is missing: ${front} or ${ground}`);
    expect(contrast(a, b)).toBeGreaterThanOrEqual(least);
  });
});

test("no other file names a colour", () => {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.(css|tsx)$/.test(name) && name !== "tokens.css" && !name.includes(".test."),
  );
  expect(files.length).toBeGreaterThan(40);
  const named = files.filter((name) =>
    /#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|rgba?\(|oklch\(/i.test(readFileSync(join(source, name), "utf8")),
  );
  expect(named).toEqual([]);
});
