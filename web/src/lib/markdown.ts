// The subset of Markdown that remediation texts use, as data. Nothing is ever
// turned into HTML, so nothing a policy says can run.

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong"; text: string }
  | { kind: "link"; text: string; href: string };

export type Block =
  | { kind: "paragraph"; inlines: Inline[] }
  | { kind: "heading"; inlines: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "list"; ordered: boolean; items: Inline[][] };

export function parseMarkdown(source: string): Block[] {
  const blocks: Block[] = [];
  const lines = source.replaceAll("\r\n", "\n").split("\n");
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0)
      blocks.push({ kind: "paragraph", inlines: parseInlines(paragraph.join(" ")) });
    paragraph = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    const item = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/.exec(line);
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    if (/^\s*```/.test(line)) {
      flush();
      const code: string[] = [];
      for (i++; i < lines.length && !/^\s*```/.test(lines[i] ?? ""); i++) code.push(lines[i] ?? "");
      blocks.push({ kind: "code", text: code.join("\n") });
    } else if (heading) {
      flush();
      blocks.push({ kind: "heading", inlines: parseInlines(heading[1] ?? "") });
    } else if (item) {
      flush();
      const ordered = item[1] !== undefined;
      const last = blocks.at(-1);
      const inlines = parseInlines(item[2] ?? "");
      if (last?.kind === "list" && last.ordered === ordered && (lines[i - 1] ?? "").trim() !== "")
        last.items.push(inlines);
      else blocks.push({ kind: "list", ordered, items: [inlines] });
    } else if (line.trim() === "") {
      flush();
    } else {
      paragraph.push(line.trim());
    }
  }
  flush();
  return blocks;
}

const token = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^()\s]+)\)/g;

function parseInlines(text: string): Inline[] {
  const out: Inline[] = [];
  let at = 0;
  const plain = (s: string) => {
    if (s !== "") out.push({ kind: "text", text: s });
  };
  for (const match of text.matchAll(token)) {
    plain(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [whole, code, strong, label, href] = match;
    if (code !== undefined) out.push({ kind: "code", text: code });
    else if (strong !== undefined) out.push({ kind: "strong", text: strong });
    else if (label !== undefined && href?.startsWith("https://"))
      out.push({ kind: "link", text: label, href });
    else plain(whole);
  }
  plain(text.slice(at));
  return out;
}
