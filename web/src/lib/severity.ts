import type { SeverityLabel } from "~/api/types";

/** From the worst down. The server says which band a number is in; nothing here computes it. */
export const bands: SeverityLabel[] = ["critical", "high", "medium", "low", "informational"];

export const bandWord: Record<SeverityLabel, string> = {
  critical: "Critical",
  high: "High",
  medium: "Medium",
  low: "Low",
  informational: "Info",
};

/** Filled bars of the glyph, which keeps the bands apart without colour. */
export const bandBars: Record<SeverityLabel, number> = {
  critical: 4,
  high: 3,
  medium: 2,
  low: 1,
  informational: 0,
};

export const bandText: Record<SeverityLabel, string> = {
  critical: "text-critical",
  high: "text-high",
  medium: "text-medium",
  low: "text-low",
  informational: "text-informational",
};

export const bandMark: Record<SeverityLabel, string> = {
  critical: "text-critical-mark",
  high: "text-high-mark",
  medium: "text-medium-mark",
  low: "text-low-mark",
  informational: "text-informational-mark",
};
