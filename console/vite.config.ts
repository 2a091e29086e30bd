import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Every file by its own address: the content security policy allows nothing inline.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../orchestrator/api/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8700" } },
  test: { include: ["tests/unit/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
