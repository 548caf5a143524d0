import { useState } from "react";
import { Button } from "./Button";

/** Copies text and says so for a moment. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Not allowed here");
    }
    setTimeout(() => setSaid(""), 1500);
  };
  return (
    <Button kind="plain" onClick={copy} aria-live="polite">
      {said || label}
    </Button>
  );
}

/** A block of code with its copy button. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className="relative rounded bg-sunken">
      <div className="absolute top-1.5 right-1.5">
        <CopyButton text={text} label="Copy" />
      </div>
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label={label}
        className="overflow-x-auto whitespace-pre p-3 pr-20 font-mono text-[12.5px]"
      >
        {text}
      </section>
    </div>
  );
}
