import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server's policy is default-src 'self', so nothing may be inlined: no
// data: fonts, no style tags at run time.
export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "~": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    manifest: true,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    target: ["chrome123", "firefox121", "safari17.5"], // the first with light-dark()
  },
  server: {
    proxy: { "/api": process.env.QRIE_URL ?? "http://127.0.0.1:8080" },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing/setup.ts"],
    testTimeout: 30_000, // longer than what is waited for
    env: { TZ: "UTC" },
  },
});
