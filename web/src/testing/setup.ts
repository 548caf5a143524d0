import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// No layout is done here, so elements are given a size: the grid shows the
// rows that fit.
Object.defineProperty(HTMLElement.prototype, "clientHeight", { configurable: true, value: 800 });
Object.defineProperty(HTMLElement.prototype, "clientWidth", { configurable: true, value: 1000 });

// What is waited for comes within milliseconds, unless the machine is busy: no test
// measures time. The first page of a file is loaded besides.
configure({ asyncUtilTimeout: 15_000 });

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});
