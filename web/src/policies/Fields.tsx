import { type ReactNode, useId } from "react";

const control = "w-full rounded border border-control bg-surface px-2 py-1 disabled:opacity-60";

/** A labelled control with its help and its error. */
export function Field(props: {
  label: string;
  help?: ReactNode;
  error?: string | undefined;
  children: (control: {
    id: string;
    className: string;
    "aria-invalid": boolean;
    "aria-describedby": string;
  }) => ReactNode;
}) {
  const id = useId();
  const { label, help, error, children } = props;
  return (
    <div>
      <label htmlFor={id} className="block pb-0.5">
        {label}
      </label>
      {children({
        id,
        className: control,
        "aria-invalid": error !== undefined,
        "aria-describedby": `${id}-help`,
      })}
      <p id={`${id}-help`} className="text-ink-3 text-small">
        {error ? <span className="text-critical">{error}</span> : help}
      </p>
    </div>
  );
}

export function TextArea(props: {
  label: string;
  help?: ReactNode;
  error?: string | undefined;
  value: string;
  rows?: number;
  onChange: (value: string) => void;
}) {
  const { label, help, error, value, rows = 2, onChange } = props;
  return (
    <Field label={label} help={help} error={error}>
      {(attributes) => (
        <textarea
          {...attributes}
          rows={rows}
          value={value}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Field>
  );
}

export function Input(props: {
  label: string;
  help?: ReactNode;
  error?: string | undefined;
  value: string;
  placeholder?: string;
  inputMode?: "numeric" | "text";
  onChange: (value: string) => void;
}) {
  const { label, help, error, value, placeholder, inputMode, onChange } = props;
  return (
    <Field label={label} help={help} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          value={value}
          placeholder={placeholder}
          inputMode={inputMode}
          spellCheck={false}
          onChange={(e) => onChange(e.target.value)}
        />
      )}
    </Field>
  );
}
