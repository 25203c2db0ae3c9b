/** Holds the documents to the tree: links and paths lead somewhere, scripts exist, sections are in order. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const workspaces = ["ledger-core", "agent", "gateway", "firmware-stubs"];
const documents = [
  "README.md",
  "SECURITY.md",
  "test/README.md",
  "ledger-core/WIRE.md",
  ...workspaces.map((workspace) => `${workspace}/README.md`),
  ...["ledger-core", "agent", "gateway"].map((workspace) => `${workspace}/DESIGN.md`),
];
const read = (path: string) => readFileSync(join(root, path), "utf8");
const scripts = new Set([
  ...[...read("package.json").matchAll(/^ {4}"([a-z:]+)": /gm)].map((match) => match[1] ?? ""),
]);

test.each(documents)("%s leads nowhere wrong", (path) => {
  const text = read(path);
  const wrong: string[] = [];
  for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
    if (!existsSync(join(root, dirname(path), target))) wrong.push(`link ${target}`);
  // Paths in backticks that name a file of the tree, from its root or from the document's folder.
  for (const [, target = ""] of text.matchAll(
    /`((?:src|test|[a-z-]+\/src)\/[\w./-]+\.(?:ts|json|mjs))`/g,
  ))
    if (![root, join(root, dirname(path))].some((base) => existsSync(join(base, target))))
      wrong.push(`path ${target}`);
  for (const [, script = ""] of text.matchAll(/npm run ([a-z:]+)/g))
    if (!scripts.has(script)) wrong.push(`script ${script}`);
  expect(wrong).toEqual([]);
  expect(text).not.toMatch(/TODO|FIXME|\bTBD\b/);
});

test("the root README goes from one sentence over a demo to status and security", () => {
  const text = read("README.md");
  const order = [
    "offline",
    "npm start -- --stop-after 20",
    "tamga-verify receipt",
    "## The way of a reading",
    "## Your first meter",
    "## Folders",
    "## Build, test, simulate, measure",
    "## Status",
    "SECURITY.md",
  ].map((words) => text.indexOf(words));
  expect(order).not.toContain(-1);
  expect([...order].sort((a, b) => a - b)).toEqual(order);
  for (const workspace of workspaces) expect(text).toContain(`(${workspace}/README.md)`);
});

test("decisions are numbered without a gap, newest last, at most twenty lines each", () => {
  for (const path of documents.filter((document) => document.endsWith("DESIGN.md"))) {
    const [, ...decisions] = read(path).split(/^## (?=\d+\. )/m);
    expect(decisions.length, path).toBeGreaterThan(0);
    for (const [index, decision] of decisions.entries()) {
      const body = decision.split(/^## /m)[0]?.trim() ?? "";
      expect(Number.parseInt(body, 10), path).toBe(index + 1);
      expect(body.split("\n").length, `${path} ${index + 1}`).toBeLessThanOrEqual(20);
    }
  }
});
