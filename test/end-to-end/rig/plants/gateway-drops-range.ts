/** Planted defect, for `--import` into a gateway: one bundle in twenty is taken and never stored. */

import type { Admission, Admitted } from "@tamga/gateway/lane/admission";
import { SqliteLane } from "@tamga/gateway/lane/sqlite-lane";

const one = 20;
let seen = 0;
const store = SqliteLane.prototype.admit;

SqliteLane.prototype.admit = function admitMost(this: SqliteLane, batch: readonly Admission[]) {
  const drops = batch.map((item) => item.kind === "statement" && seen++ % one === one - 1);
  const stored = store.call(
    this,
    batch.filter((_, i) => drops[i] !== true),
  );
  const answers = stored.values();
  const invented: Admitted = { outcome: "accepted", lane: this.current.ordinal, leafIndex: 0n };
  return drops.map((dropped) => (dropped ? invented : (answers.next().value ?? invented)));
};
