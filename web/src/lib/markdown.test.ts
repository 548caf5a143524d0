import { expect, test } from "vitest";
import { parseMarkdown } from "./markdown";

test("paragraphs, lists, code and emphasis", () => {
  expect(
    parseMarkdown("Do **this** with `aws`.\n\n1. one\n2. two\n\n- a\n\n```sh\nls -l\n```\n## End"),
  ).toEqual([
    {
      kind: "paragraph",
      inlines: [
        { kind: "text", text: "Do " },
        { kind: "strong", text: "this" },
        { kind: "text", text: " with " },
        { kind: "code", text: "aws" },
        { kind: "text", text: "." },
      ],
    },
    {
      kind: "list",
      ordered: true,
      items: [[{ kind: "text", text: "one" }], [{ kind: "text", text: "two" }]],
    },
    { kind: "list", ordered: false, items: [[{ kind: "text", text: "a" }]] },
    { kind: "code", text: "ls -l" },
    { kind: "heading", inlines: [{ kind: "text", text: "End" }] },
  ]);
});

test.each(["[x](javascript:alert(1))", "[x](http://plain.example)", "[x](data:text/html,hi)"])(
  "%s is no link",
  (source) => {
    const inlines = parseMarkdown(source).flatMap((b) => (b.kind === "paragraph" ? b.inlines : []));
    expect(inlines.every((i) => i.kind === "text")).toBe(true);
  },
);

test("a link over https is one, and HTML stays text", () => {
  expect(
    parseMarkdown("[AWS](https://docs.aws.amazon.com/s3) <img src=x onerror=alert(1)>"),
  ).toEqual([
    {
      kind: "paragraph",
      inlines: [
        { kind: "link", text: "AWS", href: "https://docs.aws.amazon.com/s3" },
        { kind: "text", text: " <img src=x onerror=alert(1)>" },
      ],
    },
  ]);
});

test("an unclosed block of code ends with the text", () => {
  expect(parseMarkdown("```\nopen")).toEqual([{ kind: "code", text: "open" }]);
});
