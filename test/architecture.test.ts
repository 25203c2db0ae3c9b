/** Holds the tree to its drawing: import directions, pure cores, no barrels, file and line lengths. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const workspaces = ["ledger-core", "agent", "gateway", "firmware-stubs"] as const;

/** Folders of ledger-core, and what each may import of the others. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ["base"],
  log: ["base"],
  tpm: ["base"],
  consensus: ["base"],
  receipt: ["base", "wire", "log", "consensus"],
  daemon: ["base"],
  peers: ["base", "wire", "receipt", "daemon"],
  ledger: ["base", "wire", "log", "consensus", "receipt", "daemon", "peers"],
};
const pureRooms = new Set(["base", "wire", "log", "tpm", "consensus", "receipt"]);
const pureFolders = [
  "agent/src/meter/",
  "agent/src/rfid/",
  "agent/src/bundle/",
  "agent/src/attestation/",
  "gateway/src/attestation/",
];
const coreDependencies = /^(@noble\/(curves|hashes)\/|cborg$)/;
/** The one exception (ledger-core/DESIGN.md): @noble has no SM2. */
const portableSm2 = "ledger-core/src/base/portable-sm2.ts → sm-crypto-v2";
const fileLinesMax = 500;

type SourceFile = {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
};

const files: readonly SourceFile[] = workspaces
  .flatMap((workspace) => listTs(join(root, workspace, "src")))
  .map((path) => {
    const text = readFileSync(path, "utf8");
    return { path: relative(root, path), text, imports: importsOf(text) };
  });
const shipped = files.filter((file) => !file.path.endsWith(".test.ts"));

describe("the tree", () => {
  test("has source files in every workspace", () => {
    for (const workspace of workspaces) {
      expect(
        shipped.some((file) => file.path.startsWith(`${workspace}/`)),
        workspace,
      ).toBe(true);
    }
  });

  test("imports across workspaces point at ledger-core only", () => {
    const wrong = shipped.flatMap((file) =>
      file.imports
        .filter((name) => name.startsWith("@tamga/") && !name.startsWith("@tamga/ledger-core/"))
        .map((name) => `${file.path} → ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("ledger-core imports no other workspace, and its rooms point one way", () => {
    const wrong = shipped
      .filter((file) => file.path.startsWith("ledger-core/src/"))
      .flatMap((file) => {
        const room = file.path.split("/")[2] ?? "";
        const allowed = rooms[room];
        if (allowed === undefined) return file.path.split("/").length === 3 ? [] : [file.path];
        return file.imports
          .filter((name) => name.startsWith("."))
          .map((name) => relative(root, resolve(root, dirname(file.path), name)))
          .filter((target) => {
            const other = target.split("/")[2] ?? "";
            return other !== room && !allowed.includes(other);
          })
          .map((target) => `${file.path} → ${target}`);
      });
    expect(wrong).toEqual([]);
  });

  test("pure cores import nothing but pure cores, @noble and cborg", () => {
    const wrong = shipped.filter(isPure).flatMap((file) =>
      file.imports
        .filter((name) => !name.startsWith(".") && !coreDependencies.test(name))
        .filter(
          (name) => !/^@tamga\/ledger-core\/(base|wire|log|tpm|consensus|receipt)\//.test(name),
        )
        .map((name) => `${file.path} → ${name}`),
    );
    expect(wrong).toEqual([portableSm2]);
  });

  test("loads no portable SM2 in a daemon", () => {
    const users = shipped.filter(({ imports }) =>
      imports.some((name) => /noble-crypto|portable-sm2/.test(name)),
    );
    // The port itself, and the trees that tests compare with.
    expect(users.map(({ path }) => path)).toEqual([
      "ledger-core/src/base/noble-crypto.ts",
      "ledger-core/src/log/naive-tree.ts",
    ]);
  });

  test("has no barrels, no default exports and no index.ts", () => {
    const wrong = shipped
      .filter(
        (file) =>
          file.path.endsWith("/index.ts") ||
          /^export \* /m.test(file.text) ||
          /^export default /m.test(file.text),
      )
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  test("keeps files below the limit, and opens each with a sentence", () => {
    const wrong = files.flatMap((file) => {
      const lines = file.text.split("\n").length;
      const opens = file.path.endsWith(".test.ts") || /^(#!.*\n)?\/\*\*/.test(file.text);
      return [
        ...(lines > fileLinesMax ? [`${file.path}: ${lines} lines`] : []),
        ...(opens ? [] : [`${file.path}: no opening sentence`]),
      ];
    });
    expect(wrong).toEqual([]);
  });
});

function isPure(file: SourceFile): boolean {
  const [workspace, , folder] = file.path.split("/");
  if (workspace === "ledger-core") return pureRooms.has(folder ?? "");
  return pureFolders.some((prefix) => file.path.startsWith(prefix));
}

function listTs(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Module names of static imports, re-exports and dynamic imports with a literal. */
function importsOf(text: string): readonly string[] {
  const found = text.matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*"([^"]+)"/g);
  return [...found].map((match) => match[1] ?? "");
}
