import { useState } from "react";
import type { Field } from "~/lib/filter";
import { Button } from "~/ui/Button";
import type { Option } from "./options";

const mostShown = 50;

/** Chooses the values of one field. Free text is taken where the list does not hold it. */
export function ValuePicker(props: {
  field: Field;
  options: Option[];
  chosen: string[];
  onChange: (values: string[]) => void;
  onDone: () => void;
}) {
  const { field, options, chosen, onChange, onDone } = props;
  const [text, setText] = useState("");
  const needle = text.trim().toLowerCase();
  const hits = options.filter((o) =>
    [o.label, o.value, o.note ?? ""].some((s) => s.toLowerCase().includes(needle)),
  );
  const free =
    needle !== "" && hits.length === 0 && (field.valid?.(text.trim()) ?? true) ? text.trim() : "";
  const single = field.kind !== "set";
  const pick = (value: string) => {
    if (single) {
      onChange([value]);
      onDone();
    } else {
      onChange(chosen.includes(value) ? chosen.filter((v) => v !== value) : [...chosen, value]);
    }
  };
  const searchable = options.length > 8 || options.length === 0;
  return (
    <div className="p-2">
      {searchable ? (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            const first = free || hits[0]?.value;
            if (first) pick(first);
          }}
        >
          <input
            // biome-ignore lint/a11y/noAutofocus: the popover was opened to type here
            autoFocus
            value={text}
            onChange={(e) => setText(e.target.value)}
            aria-label={`Search ${field.label}`}
            placeholder={`Search ${field.label}`}
            className="mb-2 h-7 w-full rounded border border-control bg-surface px-2"
          />
        </form>
      ) : null}
      <fieldset className="max-h-[280px] overflow-y-auto">
        <legend className="sr-only">{field.label}</legend>
        {hits.slice(0, mostShown).map((o) => (
          <label
            key={o.value}
            className="flex min-h-7 cursor-pointer items-center gap-2 rounded px-1 hover:bg-sunken"
          >
            <input
              type={single ? "radio" : "checkbox"}
              name={field.name}
              checked={chosen.includes(o.value)}
              onChange={() => pick(o.value)}
            />
            <span className="truncate">{o.label}</span>
            {o.note && o.note !== o.label ? (
              <span className="ml-auto truncate pl-2 text-ink-3 text-small">{o.note}</span>
            ) : null}
          </label>
        ))}
      </fieldset>
      {hits.length > mostShown ? (
        <p className="px-1 pt-1 text-ink-3 text-small">Type to narrow {hits.length} values.</p>
      ) : null}
      {free ? (
        <Button className="mt-1" onClick={() => pick(free)}>
          Use “{free}”
        </Button>
      ) : hits.length === 0 ? (
        <p className="px-1 text-ink-2">No such {field.label}.</p>
      ) : null}
      <div className="mt-2 flex justify-between border-border border-t pt-2">
        <Button
          kind="quiet"
          onClick={() => {
            onChange([]);
            onDone();
          }}
        >
          Clear
        </Button>
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}
