// Writes the table of faults and results between its marks in
// docs/reliability.md. Standard input is what `go test -json` printed.
import { readFileSync, writeFileSync } from "node:fs";

const module = "github.com/qrie-sec/qrie/";
const document = "docs/reliability.md";

const results = new Map(); // "room:Test" to pass, fail or skip
for (const line of readFileSync(0, "utf8").split("\n")) {
  if (!line.startsWith("{")) continue;
  const event = JSON.parse(line);
  if (event.Test && ["pass", "fail", "skip"].includes(event.Action)) {
    results.set(`${event.Package.replace(module, "")}:${event.Test}`, event.Action);
  }
}

let bad = 0;
const rows = readFileSync("docs/faults.tsv", "utf8").trim().split("\n").map((line) => {
  const [number, fault, invariant, tests] = line.split("\t");
  const cells = tests.split(" ").map((test) => {
    const [room, name] = test.split(":");
    const result = results.get(test) ?? "not run";
    if (result !== "pass") bad++;
    return `\`${room}\` ${name}${result === "pass" ? "" : ` (${result})`}`;
  });
  const all = tests.split(" ").map((test) => results.get(test));
  const word = all.includes("fail") ? "**failed**" : all.every((r) => r === "pass") ? "passed" : "in part";
  return `| ${number} | ${fault} | ${invariant} | ${cells.join(", ")} | ${word} |`;
});
const table = ["| | fault | what must hold | tests | |", "|---|---|---|---|---|", ...rows].join("\n");

const [begin, end] = ["<!-- faults: begin, written by make faults -->", "<!-- faults: end -->"];
const text = readFileSync(document, "utf8");
const from = text.indexOf(begin);
const to = text.indexOf(end);
if (from < 0 || to < from) throw new Error(`${document} has no marks for the table of faults`);
writeFileSync(document, `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`);
console.log(`${rows.length} faults, ${bad} tests did not pass`);
process.exitCode = bad === 0 ? 0 : 1;
