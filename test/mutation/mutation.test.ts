import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { mutated } from "./mutation.ts";
import { mutations } from "./mutations.ts";

const consensus = new URL("../../ledger-core/src/consensus/", import.meta.url);
const child = fileURLToPath(new URL("play.ts", import.meta.url));
const playedSchema = z.object({
  run: z.string(),
  rule: z.string().optional(),
  sentence: z.string().optional(),
});
type Played = z.infer<typeof playedSchema>;
/** Two cores: more children at a time only wait for each other. */
const childrenMax = 2;
const childMsMax = 300_000;
const tableMsMax = 900_000;
/** Most of a child's time goes into loading: what one has compiled, the next takes from here. */
const compileCache = fileURLToPath(new URL("../../node_modules/.cache/mutation", import.meta.url));

/** What a child process found. */
async function playIn(names: readonly string[]): Promise<readonly Played[]> {
  const env = { ...process.env, NODE_COMPILE_CACHE: compileCache };
  const options = { timeout: childMsMax, maxBuffer: 1 << 24, env };
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...names], options);
  return stdout
    .trim()
    .split("\n")
    .map((line) => playedSchema.parse(JSON.parse(line)));
}

test("each text that a mutation replaces stands once in the engine", () => {
  for (const { edits } of mutations)
    for (const { file } of edits) {
      const text = readFileSync(new URL(file, consensus), "utf8");
      expect(mutated(file, text, edits)).not.toBe(text);
    }
});

test("a text that is missing, or stands twice, is no mutation", () => {
  const edit = { file: "a.ts", find: "x", replace: "y" };
  expect(() => mutated("a.ts", "w", [edit])).toThrow("0 places");
  expect(() => mutated("a.ts", "xx", [edit])).toThrow("2 places");
});

test("names are told apart, and so is what each mutation does", () => {
  expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
  expect(new Set(mutations.map(({ edits }) => JSON.stringify(edits))).size).toBe(mutations.length);
});

describe("the mutation-kill table", () => {
  const found = new Map<string, readonly Played[]>();

  beforeAll(async () => {
    const waiting = [[], ...mutations.map(({ name }) => [name])];
    const lane = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        found.set(next[0] ?? "", await playIn(next));
    };
    await Promise.all(Array.from({ length: childrenMax }, lane));
  }, tableMsMax);

  test("the engine as it is holds in every run of the table", () => {
    expect(found.get("")?.filter(({ rule }) => rule !== undefined)).toEqual([]);
  });

  test.each(mutations)("$name", ({ name, kill }) => {
    // `exception` is any error thrown, `schedule` a situation that was not reached: neither is a rule's.
    expect(["exception", "schedule"]).not.toContain(kill.rule);
    expect(found.get(name)?.at(-1)).toMatchObject({ rule: kill.rule });
  });
});
