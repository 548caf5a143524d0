import { describe, expect, test } from "vitest";
import type { Json } from "~/api/types";
import { formatPointer, parsePointer, pathWords } from "./pointer";
import { foldKey, type Line, treeLines } from "./tree";

const document: Json = {
  Location: "eu-west-1",
  Policy: {
    Version: "2012-10-17",
    Statement: [
      { Sid: "Own", Effect: "Allow" },
      { Sid: "Open", Effect: "Allow", Principal: "*", Condition: { StringEquals: { a: "b" } } },
      { Sid: "Last" },
    ],
  },
  Tags: [],
};

const show = (line: Line) => {
  const name = line.name === undefined ? "" : `${line.name}: `;
  const [l, r] = line.array ? ["[", "]"] : ["{", "}"];
  const text = {
    scalar: `${name}${JSON.stringify(line.value)}`,
    open: name + l,
    close: r,
    empty: name + l + r,
    closed: `${name}${l} ${line.size} ${r}`,
    fold: `… ${line.size}`,
    absent: `${name}not set`,
  }[line.kind];
  return `${line.marked ? ">" : " "}${"  ".repeat(line.depth)}${text}${line.comma ? "," : ""}`;
};
const render = (pointers: string[], toggled: [string, boolean][] = [], doc: Json = document) =>
  treeLines(doc, { pointers, toggled: new Map(toggled) }).map(show);

describe("the evidence tree", () => {
  test("shows the way to a marked member, its neighbours, and folds the rest", () => {
    expect(render(["/Policy/Statement/1/Principal"])).toEqual([
      " {",
      "   … 1,",
      "   Policy: {",
      "     … 1,",
      "     Statement: [",
      "       … 1,",
      "       {",
      '         Sid: "Open",',
      '         Effect: "Allow",',
      '>        Principal: "*",',
      "         Condition: { 1 }",
      "       },",
      "       … 1",
      "     ]",
      "   },",
      "   … 1",
      " }",
    ]);
  });

  test("marks everything inside a marked container", () => {
    const lines = render(["/Policy/Statement/1"]);
    expect(lines).toContain(">      {");
    expect(lines).toContain('>            a: "b"');
    expect(lines.filter((l) => l.startsWith(">"))).toHaveLength(10);
  });

  test("marks two members and keeps both in view", () => {
    const lines = render(["/Location", "/Policy/Statement/0/Sid"]);
    expect(lines).toContain('>  Location: "eu-west-1",');
    expect(lines).toContain('>        Sid: "Own",');
  });

  test("a member that is missing from the document is shown as not set", () => {
    expect(render(["/PublicAccessBlock"])).toContain(">  PublicAccessBlock: not set");
    expect(render(["/Versioning/Status"], [], {})).toEqual([" {", ">  Versioning: not set", " }"]);
  });

  test("a fold opens when it is asked to", () => {
    const closed = render(["/Policy/Statement/1/Principal"]);
    const open = render(["/Policy/Statement/1/Principal"], [[foldKey("", "Tags"), true]]);
    expect(closed).not.toContain("   Tags: []");
    expect(open).toContain("   Tags: []");
  });

  test("without pointers the document is open to its depth", () => {
    expect(render([])).toEqual([
      " {",
      '   Location: "eu-west-1",',
      "   Policy: { 2 },",
      "   Tags: []",
      " }",
    ]);
  });

  test("in a crowd only the nearest neighbours of a marked member are read", () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${10 + i}`, i]));
    expect(render(["/k15"], [], many)).toEqual([
      " {",
      "   … 3,",
      "   k13: 3,",
      "   k14: 4,",
      ">  k15: 5,",
      "   k16: 6,",
      "   k17: 7,",
      "   … 12",
      " }",
    ]);
  });

  test("every line has its own key", () => {
    const lines = treeLines(document, {
      pointers: ["/Policy/Statement/1/Principal"],
      toggled: new Map(),
    });
    const keys = lines.map((l) => `${l.kind} ${l.pointer}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("a pointer that is none is passed over", () => {
    expect(render(["no/slash"])).toEqual(render([]));
  });
});

describe("JSON Pointers", () => {
  test.each(["/a/b", "/a~1b/c~0d", "/", "", "/0/1"])("%j survives the round trip", (pointer) => {
    expect(formatPointer(parsePointer(pointer) ?? ["never"])).toBe(pointer);
  });
  test("are written as people write paths", () => {
    expect(pathWords("/Policy/Statement/1/Principal")).toBe("Policy.Statement[1].Principal");
    expect(pathWords("")).toBe("the whole document");
    expect(pathWords("odd")).toBe("odd");
  });
});
