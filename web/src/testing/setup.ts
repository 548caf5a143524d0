import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// No layout is done here, so elements are given a size: the grid shows the
// rows that fit.
Object.defineProperty(HTMLElement.prototype, "clientHeight", { configurable: true, value: 800 });
Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 1000 });

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});
