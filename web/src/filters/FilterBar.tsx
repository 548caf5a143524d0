import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Field, Filter } from "~/lib/filter";
import { valueWord } from "~/lib/filter";
import { opened } from "~/lib/initial-search";
import { useShortcuts } from "~/lib/shortcuts";
import { buttonClass, Key } from "~/ui/Button";
import { Popover } from "~/ui/Popover";
import { type Option, useOptions } from "./options";
import { ValuePicker } from "./ValuePicker";

type Props = {
  fields: Field[];
  filter: Filter;
  /** What holds where a field is not given, such as state = open. */
  defaults?: Filter;
  dropped?: string[];
  onChange: (filter: Filter) => void;
  children?: ReactNode;
};

/** The filter as chips, a popover to add to it (F) and a search box (/). */
export function FilterBar({
  fields,
  filter,
  defaults = {},
  dropped = [],
  onChange,
  children,
}: Props) {
  const options = useOptions();
  const [adding, setAdding] = useState<string | undefined>(undefined); // "" = the list of fields
  const [notice, setNotice] = useState(dropped);
  const search = useRef<HTMLInputElement>(null);
  const set = (name: string, values: string[]) => {
    const next = { ...filter };
    if (values.length > 0) next[name] = values;
    else delete next[name];
    onChange(next);
  };
  useShortcuts({
    f: () => {
      setAdding("");
      return true;
    },
    "/": () => {
      search.current?.focus();
      search.current?.select();
      return true;
    },
  });
  const chips = fields.filter((f) => f.kind !== "text" && (filter[f.name] ?? defaults[f.name]));
  const chosenField = fields.find((f) => f.name === adding);
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-1.5 px-4 py-2.5">
      {chips.map((field) => (
        <Chip
          key={field.name}
          field={field}
          values={filter[field.name] ?? defaults[field.name] ?? []}
          options={options(field.name)}
          removable={filter[field.name] !== undefined}
          onChange={(values) => set(field.name, values)}
        />
      ))}
      <Popover
        open={adding !== undefined}
        onOpenChange={(open) => setAdding(open ? "" : undefined)}
        label="Add a filter"
        trigger={
          <button type="button" className={buttonClass("quiet")}>
            + Filter <Key>F</Key>
          </button>
        }
      >
        {chosenField ? (
          <ValuePicker
            field={chosenField}
            options={options(chosenField.name)}
            chosen={filter[chosenField.name] ?? []}
            onChange={(values) => set(chosenField.name, values)}
            onDone={() => setAdding(undefined)}
          />
        ) : (
          <ul className="py-1">
            {fields
              .filter((f) => f.kind !== "text" && f.name !== "resource")
              .map((f) => (
                <li key={f.name}>
                  <button
                    type="button"
                    className="w-full px-3 py-1 text-left hover:bg-selected focus-visible:bg-selected"
                    onClick={() => setAdding(f.name)}
                  >
                    {f.label}
                  </button>
                </li>
              ))}
          </ul>
        )}
      </Popover>
      {children}
      {notice.length > 0 ? (
        <span className="inline-flex h-[26px] items-center gap-2 rounded border border-medium-mark bg-surface px-2">
          Dropped, not valid: {notice.join(", ")}
          <button type="button" aria-label="Dismiss the notice" onClick={() => setNotice([])}>
            ✕
          </button>
        </span>
      ) : null}
      <SearchBox
        inputRef={search}
        value={filter.q?.[0] ?? ""}
        onChange={(q) => set("q", q === "" ? [] : [q])}
      />
    </div>
  );
}

/** The notice for a page that was opened with values that are not valid. */
export function droppedAtOpening(
  path: string,
  dropped: (search: Record<string, string>) => string[],
) {
  return opened.path === path ? dropped(opened.search) : [];
}

function Chip(props: {
  field: Field;
  values: string[];
  options: Option[];
  removable: boolean;
  onChange: (values: string[]) => void;
}) {
  const { field, values, options, removable, onChange } = props;
  const [open, setOpen] = useState(false);
  const label = (v: string) =>
    options.find((o) => o.value === v)?.label.toLowerCase() ?? valueWord(field.name, v);
  const named = ["account", "policy", "type"].includes(field.name)
    ? (v: string) => options.find((o) => o.value === v)?.label ?? v
    : label;
  const shown = values.length > 2 ? `any of ${values.length}` : values.map(named).join(" or ");
  return (
    <span className="inline-flex">
      <Popover
        open={open}
        onOpenChange={setOpen}
        label={`Values of ${field.label}`}
        trigger={
          <button
            type="button"
            className={`${buttonClass("quiet")} max-w-[280px] ${removable ? "rounded-r-none border-r-0 pr-1" : ""}`}
          >
            <span className="truncate">
              {field.label}
              {field.name === "opened_since" ? " " : " is "}
              <strong>{shown}</strong>
            </span>
          </button>
        }
      >
        <ValuePicker
          field={field}
          options={options}
          chosen={values}
          onChange={onChange}
          onDone={() => setOpen(false)}
        />
      </Popover>
      {removable ? (
        <button
          type="button"
          aria-label={`Remove the filter ${field.label}`}
          className="h-[26px] rounded-r border border-border border-l-0 bg-surface px-1.5 text-ink-3 text-small hover:text-ink"
          onClick={() => onChange([])}
        >
          ✕
        </button>
      ) : null}
    </span>
  );
}

function SearchBox(props: {
  value: string;
  onChange: (value: string) => void;
  inputRef: React.RefObject<HTMLInputElement | null>;
}) {
  const { value, onChange, inputRef } = props;
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const settle = useRef(onChange);
  settle.current = onChange;
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => settle.current(text.trim()), 300);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <input
      ref={inputRef}
      type="search"
      value={text}
      onChange={(e) => setText(e.target.value)}
      onKeyDown={(e) => {
        if (e.key === "Escape") e.currentTarget.blur();
      }}
      aria-label="Search names, ARNs and titles"
      placeholder="Search   /"
      className="ml-auto h-[26px] w-[180px] rounded border border-border bg-surface px-2 placeholder:text-ink-3"
    />
  );
}
