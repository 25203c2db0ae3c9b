/** Branch coverage of the consensus core, by its unit tests alone; less than the threshold fails. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["ledger-core/src/consensus/**/*.test.ts"],
    testTimeout: 180_000,
    maxWorkers: 2,
    coverage: {
      enabled: true,
      provider: "v8",
      include: ["ledger-core/src/consensus/**/*.ts"],
      exclude: ["**/*.test.ts"],
      // Nothing is left behind in the tree: what is uncovered is said on the terminal.
      reporter: ["text"],
      thresholds: { branches: 95 },
    },
  },
});
