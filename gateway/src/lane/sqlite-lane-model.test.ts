/**
 * The lane's file against a model, over admissions, seals, restarts, and the file put back to an older
 * copy: what was acknowledged is never lost, and nothing is twice in an incarnation of the lane.
 */

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { verifyConsistency } from "@tamga/ledger-core/log/consistency-proof";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Admission, Admitted, StatementAdmission } from "./admission.ts";
import { admission, identifier, openLane, orderNow, refusal } from "./lane-fixture.ts";
import type { IncarnationHead } from "./lane-opening.ts";
import type { SqliteLane } from "./sqlite-lane.ts";
import { restoredMarker } from "./sqlite-lane.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const devices = [identifier("meter-1"), identifier("reader-1")];

type Command =
  | { readonly type: "admit"; readonly batch: readonly Admission[] }
  | { readonly type: "order" | "announce" | "reopen" | "backup" | "lose" }
  /** Puts the backup back, with or without the marker. */
  | { readonly type: "restore"; readonly marked: boolean };

const statements = fc
  .record({
    first: fc.nat(20),
    count: fc.integer({ min: 1, max: 4 }),
    run: fc.nat(1),
    content: fc.nat(1),
    device: fc.constantFrom(...devices),
  })
  .map(admission);
const refusals = fc.nat(5).map((i) => refusal(utf8(`garbage ${i}`)));
const batches = fc.array(
  fc.oneof({ weight: 5, arbitrary: statements }, { weight: 1, arbitrary: refusals }),
  { minLength: 1, maxLength: 8 },
);
const commands = fc.oneof(
  {
    weight: 8,
    arbitrary: batches.map((batch): Command => ({ type: "admit", batch })),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Command>(
      { type: "order" },
      { type: "order" },
      { type: "reopen" },
      { type: "backup" },
      { type: "announce" },
      { type: "lose" },
      { type: "restore", marked: true },
      { type: "restore", marked: false },
    ),
  },
);

/** The world around the file: the ledger's memory, and what devices keep of their own. */
class World {
  readonly #path: string;
  #lane: SqliteLane;
  #lastOrdered: IncarnationHead | undefined;
  /** By identity: all that was acknowledged as taken, which devices keep. */
  readonly #acknowledged = new Map<string, StatementAdmission>();
  /** Those that devices hold a final receipt for. */
  readonly #final = new Set<string>();
  /** By sequence: the identity of the one that was taken. */
  readonly #owners = new Map<string, string>();

  constructor(path: string) {
    this.#path = path;
    this.#lane = openLane(path);
  }

  execute(command: Command): void {
    switch (command.type) {
      case "admit":
        this.#admit(command.batch);
        break;
      case "announce":
        this.#announce();
        break;
      case "order":
        this.#announce();
        this.#lastOrdered = orderNow(this.#lane);
        for (const identity of this.#acknowledged.keys()) this.#final.add(identity);
        break;
      case "reopen":
        this.#reopen();
        break;
      case "backup":
        this.#reopen(() => copyFileSync(this.#path, `${this.#path}.backup`));
        break;
      case "lose":
        this.#reopen(() => rmSync(this.#path));
        break;
      case "restore":
        if (!existsSync(`${this.#path}.backup`)) break;
        this.#reopen(() => {
          copyFileSync(`${this.#path}.backup`, this.#path);
          if (command.marked) writeFileSync(restoredMarker(this.#path), "");
        });
        break;
    }
    this.#check();
  }

  close(): void {
    this.#lane.close();
  }

  /** The ledger orders the lane's opening, unless it has. */
  #announce(): void {
    const { incarnation } = this.#lane;
    if (this.#lastOrdered !== undefined && equal(this.#lastOrdered.incarnation, incarnation))
      return;
    this.#lastOrdered = { incarnation, head: { size: 1n, root: this.#lane.root(1n) } };
  }

  /** Stops, does something to the files, starts, and lets every device say what it holds. */
  #reopen(meanwhile: () => void = () => undefined): void {
    this.#lane.close();
    meanwhile();
    this.#lane = openLane(this.#path, this.#lastOrdered);
    for (const device of devices) {
      const all = this.#lane.needsAllOf(device);
      const listed = [...this.#acknowledged].filter(
        ([identity, sent]) => sent.device === device && (all || !this.#final.has(identity)),
      );
      const wanted = listed
        .map(([, sent]) => sent)
        .filter((sent) => this.#lane.missing(device, sent.incarnation, sent.range).length > 0);
      this.#admit(wanted);
      if (all) this.#lane.answeredAll(device);
      expect(this.#lane.needsAllOf(device)).toBe(false);
    }
  }

  #admit(batch: readonly Admission[]): void {
    const before = { size: this.#lane.size(), root: this.#lane.root() };
    const answers = this.#lane.admit(batch);
    const after = { size: this.#lane.size(), root: this.#lane.root() };
    const grown = answers.filter((answer) => answer.outcome !== "duplicate").length;
    expect(after.size - before.size).toBe(BigInt(grown));
    const path = this.#lane.consistency(before.size, after.size);
    const claim = { size1: before.size, root1: before.root, size2: after.size, root2: after.root };
    expect(verifyConsistency(hasher, { ...claim, path }).ok).toBe(true);
    for (const [i, answer] of answers.entries())
      this.#judge(present(batch[i], "admission"), answer);
  }

  /** What the model expects of an answer, and remembers of it. */
  #judge(sent: Admission, answer: Admitted): void {
    if (sent.kind === "result") throw new Error("the model sends none");
    if (sent.kind === "refused") {
      expect(answer.code).toBe(sent.code);
      return;
    }
    const identity = toHex(sent.identity);
    const owners = sequencesOf(sent).map((key) => this.#owners.get(key));
    const isFree = owners.every((owner) => owner === undefined);
    if (isFree) expect(answer.outcome).toBe("accepted");
    if (isFree || this.#acknowledged.has(identity)) {
      expect(answer.code).toBeUndefined();
      this.#acknowledged.set(identity, sent);
      for (const key of sequencesOf(sent)) this.#owners.set(key, identity);
    } else {
      expect(answer.code).toBe("SEQUENCE_CONFLICT");
    }
  }

  #check(): void {
    for (const sent of this.#acknowledged.values()) {
      const { device, incarnation, range } = sent;
      const sequence = range.first + BigInt(range.count) - 1n;
      const row = present(this.#lane.find({ device, incarnation, sequence }), "acknowledged");
      expect(row).toMatchObject({ identity: sent.identity, position: { range } });
      expect(this.#lane.log(row.lane).entry(row.leafIndex)).toEqual(sent.bytes);
      expect(this.#lane.body(row)).toEqual(sent.body);
      // Either proven where it stands, or in the lane that goes on.
      expect(this.#lane.isFinal(row) || row.lane === this.#lane.current.ordinal).toBe(true);
    }
    for (let lane = 1; lane <= this.#lane.current.ordinal; lane++) this.#checkLog(lane);
  }

  /** No sequence twice, and the root over exactly these leaves. */
  #checkLog(ordinal: number): void {
    const log = this.#lane.log(ordinal);
    const seen = new Set<string>();
    const leaves: Digest[] = [];
    for (let index = 0n; index < log.size(); index++) {
      const bytes = present(log.entry(index), "leaf");
      leaves.push(hasher.leaf(bytes));
      const sent = this.#acknowledged.get(toHex(nodeCrypto.sha256(bytes)));
      for (const key of sent === undefined ? [] : sequencesOf(sent)) {
        expect(seen.has(key)).toBe(false);
        seen.add(key);
      }
    }
    expect(log.root()).toEqual(rootOf(hasher, leaves));
  }
}

function sequencesOf({ device, incarnation, range }: StatementAdmission): string[] {
  return Array.from(
    { length: range.count },
    (_, i) => `${device}/${toHex(incarnation)}/${range.first + BigInt(i)}`,
  );
}

it("loses nothing acknowledged and holds no sequence twice in an incarnation", () => {
  fc.assert(
    fc.property(fc.array(commands, { minLength: 5, maxLength: 30 }), (script) => {
      const directory = mkdtempSync(join(tmpdir(), "tamga-lane-model-"));
      const world = new World(join(directory, "lane.db"));
      try {
        for (const command of script) world.execute(command);
      } finally {
        world.close();
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 40 },
  );
}, 120_000);
