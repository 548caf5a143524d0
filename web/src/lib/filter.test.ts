import { describe, expect, test } from "vitest";
import { filterQuery, findingFields, parseFilter, resourceFields, valueWord } from "./filter";
import { parseSearch, stringifySearch } from "./router-search";
import * as search from "./search";

// One valid value of every search parameter, and one that is dropped. A new
// parameter without a line here fails the completeness test below.
const samples: Record<string, { good: string; bad?: string }> = {
  state: { good: "ACTIVE,RESOLVED", bad: "OPEN" },
  severity: { good: "critical,high", bad: "terrible" },
  policy: { good: "S3BucketPublic", bad: "S3 Bucket" },
  account: { good: "111122223333,444455556666", bad: "12" },
  service: { good: "s3,ec2", bad: "S3!" },
  type: { good: "AWS::S3::Bucket", bad: "AWS/S3" },
  region: { good: "eu-west-1", bad: "EU West" },
  resource: { good: "r_abc234", bad: "abc" },
  opened_since: { good: "24h", bad: "yesterday" },
  q: { good: "a & b = c, d/é" },
  failing: { good: "true", bad: "maybe" },
  deleted: { good: "true", bad: "false" },
  group: { good: "none", bad: "colour" },
  peek: { good: "f_abc234", bad: "<b>" },
  tab: { good: "evidence", bad: "nowhere" },
  from: { good: "3", bad: "-1" },
  to: { good: "4", bad: "x" },
  code: { good: "abc-123" },
};

const pages: [
  string,
  (raw: Record<string, unknown>) => object,
  string[],
  Record<string, string>,
][] = [
  [
    "findings",
    search.findingsSearch,
    [...findingFields.map((f) => f.name), "group", "peek", "tab"],
    {},
  ],
  ["finding", search.findingSearch, ["tab"], {}],
  ["inventory", search.inventorySearch, resourceFields.map((f) => f.name), {}],
  ["resource", search.resourceSearch, ["tab", "from", "to"], { tab: "history" }],
  ["policies", search.policiesSearch, ["tab", "q"], { tab: "suspended" }],
  ["login", search.loginSearch, ["code", "from"], { from: "/findings?severity=critical&q=a" }],
];

describe.each(pages)("the search parameters of %s", (_, validate, names, special) => {
  test.each(names)("%s survives the address bar", (name) => {
    const good = special[name] ?? samples[name]?.good;
    if (good === undefined) throw new Error(`no sample for ${name}`);
    const once = validate(parseSearch(stringifySearch({ [name]: good })));
    expect(String((once as Record<string, unknown>)[name])).toBe(good);
    const twice = validate(parseSearch(stringifySearch(once as Record<string, unknown>)));
    expect(twice).toEqual(once);
  });
  test.each(names.filter((n) => samples[n]?.bad !== undefined))(
    "%s drops what is not valid",
    (name) => {
      expect(validate({ [name]: samples[name]?.bad })).toEqual({});
    },
  );
  test("nothing else is let through", () => {
    expect(validate({ evil: "1", __proto__: { x: 1 } })).toEqual({});
  });
});

test("login goes back to pages of this application only", () => {
  for (const from of [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
  ]) {
    expect(search.loginSearch({ from })).toEqual({});
  }
});

describe("a filter", () => {
  test("keeps the good of a list and names the bad", () => {
    const { filter, dropped } = parseFilter(findingFields, {
      severity: "critical,terrible,critical",
    });
    expect(filter).toEqual({ severity: ["critical"] });
    expect(dropped).toEqual(["severity=terrible"]);
  });
  test("is the same in the address and in the API", () => {
    const { filter } = parseFilter(findingFields, {
      account: "111122223333,444455556666",
      q: "a,b",
    });
    expect(filterQuery(filter)).toEqual({ account: "111122223333,444455556666", q: "a,b" });
  });
  test("an address is readable", () => {
    expect(stringifySearch({ type: "AWS::S3::Bucket", severity: ["critical", "high"] })).toBe(
      "?severity=critical,high&type=AWS::S3::Bucket",
    );
  });
  test("has words for what the API abbreviates", () => {
    expect(valueWord("state", "ACTIVE")).toBe("open");
    expect(valueWord("region", "eu-west-1")).toBe("eu-west-1");
  });
});
