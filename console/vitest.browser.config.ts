import { defineConfig } from "vitest/config";

const patience = Number(process.env.PATIENCE ?? 1);

// One cluster and one browser for all, so one after the other.
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 90_000 * patience,
    hookTimeout: 60_000 * patience,
    sequence: { concurrent: false },
  },
});
