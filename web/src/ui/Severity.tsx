import type { SeverityLabel } from "~/api/types";
import { bandBars, bandMark, bandText, bandWord } from "~/lib/severity";
import { cx } from "./cx";

const bars = [
  { x: 0, height: 4 },
  { x: 3.5, height: 6 },
  { x: 7, height: 9 },
  { x: 10.5, height: 12 },
];

/** Four bars, as many filled as the band is grave: severity without colour. */
export function SeverityGlyph({ label }: { label: SeverityLabel }) {
  const filled = bandBars[label];
  return (
    <svg
      className={cx("severity-glyph inline-block shrink-0", bandMark[label])}
      width="13"
      height="12"
      viewBox="0 0 13 12"
      aria-hidden="true"
    >
      {bars.map(({ x, height }, i) =>
        i < filled ? (
          <rect key={x} x={x} y={12 - height} width="2.5" height={height} fill="currentColor" />
        ) : (
          <rect
            key={x}
            x={x + 0.4}
            y={12.4 - height}
            width="1.7"
            height={height - 0.8}
            fill="none"
            stroke="var(--control)"
            strokeWidth="0.8"
          />
        ),
      )}
    </svg>
  );
}

export function Severity({ label, score }: { label: SeverityLabel; score?: number }) {
  return (
    <span className={cx("inline-flex items-center gap-2", bandText[label])}>
      <SeverityGlyph label={label} />
      <span className={score === undefined ? undefined : "font-[650]"}>
        {bandWord[label]}
        {score === undefined ? "" : ` ${score}`}
      </span>
    </span>
  );
}
