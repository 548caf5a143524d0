import { type Block, type Inline, parseMarkdown } from "~/lib/markdown";
import { Code } from "./Copy";

/** Remediation text. Only the elements below can come of it. */
export function Markdown({ source }: { source: string }) {
  const blocks = parseMarkdown(source);
  return (
    <div className="space-y-2">
      {blocks.map((block, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the blocks of one text never move
        <BlockView key={i} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { block: Block }) {
  if (block.kind === "code") return <Code text={block.text} label="Example" />;
  if (block.kind === "heading")
    return (
      <p className="font-[650]">
        <Inlines of={block.inlines} />
      </p>
    );
  if (block.kind === "paragraph")
    return (
      <p>
        <Inlines of={block.inlines} />
      </p>
    );
  const List = block.ordered ? "ol" : "ul";
  return (
    <List className={`space-y-1 pl-5 ${block.ordered ? "list-decimal" : "list-disc"}`}>
      {block.items.map((item, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the items of one text never move
        <li key={i}>
          <Inlines of={item} />
        </li>
      ))}
    </List>
  );
}

function Inlines({ of }: { of: Inline[] }) {
  return of.map((inline, i) => {
    const key = `${i}`;
    if (inline.kind === "code")
      return (
        <code key={key} className="rounded-[3px] bg-sunken px-1">
          {inline.text}
        </code>
      );
    if (inline.kind === "strong") return <strong key={key}>{inline.text}</strong>;
    if (inline.kind === "link")
      return (
        <a key={key} className="link" href={inline.href} target="_blank" rel="noreferrer">
          {inline.text}
        </a>
      );
    return <span key={key}>{inline.text}</span>;
  });
}
