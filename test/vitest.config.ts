/** Runs every `*.test.ts` of the workspaces; the rig and the hostile-input suite have own commands. */
import { defineConfig } from "vitest/config";
import { soon } from "./support/soon.ts";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["*/src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    // Generous: a wait ends as soon as its condition holds, and no busy machine makes a test red.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: soon },
    maxWorkers: 2,
  },
});
