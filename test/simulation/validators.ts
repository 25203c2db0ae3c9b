/** Names, keys and sets of simulated validators. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { parseIdentifier } from "@tamga/ledger-core/base/identifier";
import type { NextEpoch } from "@tamga/ledger-core/consensus/application";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { fakeKey } from "./fake-keys.ts";

/** `v0`, `v1`, … */
export function namesUpTo(count: number): Identifier[] {
  return Array.from({ length: count }, (_, index) => nameOf(`v${index}`));
}

export function entryOf(name: Identifier): ValidatorEntry {
  return { name, organisation: nameOf(`org-${name}`), publicKey: fakeKey(name).publicKey };
}

/** The set that follows, approved by all of it. */
export function nextEpochOf(names: readonly Identifier[], previous: Digest): NextEpoch {
  const message = concat(utf8("fake approval"), previous, ...names.map(utf8));
  return {
    validators: names.map(entryOf),
    previous,
    approvals: names.map((name, index) => ({ index, signature: fakeKey(name).sign(message) })),
  };
}

function nameOf(text: string): Identifier {
  const name = parseIdentifier(text);
  assert(name.ok, "a name of an identifier's form");
  return name.value;
}
