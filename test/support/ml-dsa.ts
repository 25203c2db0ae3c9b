/** ML-DSA-44 keys of this Node, for validators that cosign with a second key. */

import { generateKeyPairSync, sign } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { encodeCheckpoint } from "@tamga/ledger-core/log/checkpoint";
import type { CosignedTree } from "@tamga/ledger-core/log/ml-dsa-cosignature";
import { mlDsaCosignature, mlDsaMessage } from "@tamga/ledger-core/log/ml-dsa-cosignature";
import type { NoteSignature } from "@tamga/ledger-core/log/note";
import { parseTreeSize } from "@tamga/ledger-core/log/tree-size";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { judgeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { SyntheticChannel } from "./synthetic-channel.ts";
import { noteOf } from "./synthetic-channel.ts";
import { unwrap } from "./unwrap.ts";

export type MlDsaKey = {
  /** 1,312 bytes. */
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
};

export function createMlDsaKey(): MlDsaKey {
  const { publicKey, privateKey } = generateKeyPairSync("ml-dsa-44");
  const spki = publicKey.export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(-1_312)),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

/** One cosigner's line over a tree. */
export function mlDsaLine(
  name: string,
  key: MlDsaKey,
  of: CosignedTree & { readonly timeSeconds: number },
): NoteSignature {
  const { timeSeconds } = of;
  const signature = key.sign(mlDsaMessage(of, { name, timeSeconds }));
  return mlDsaCosignature(
    nodeCrypto,
    { name, publicKey: key.publicKey },
    { timeSeconds, signature },
  );
}

/** A synthetic channel whose validators have second keys, in their order. */
export class SecondKeys {
  readonly #channel: SyntheticChannel;
  readonly keys: readonly MlDsaKey[];

  constructor(channel: SyntheticChannel, count: number) {
    this.#channel = channel;
    this.keys = Array.from({ length: count }, createMlDsaKey);
  }

  policy(required: boolean): TrustPolicy {
    const keys = this.keys.map(({ publicKey }, i) => {
      const { name: validator } = present(this.#channel.validators[i], "validator");
      return { validator, publicKey };
    });
    return unwrap(judgeTrustPolicy({ ...this.#channel.policy, mlDsa44: { required, keys } }));
  }

  /** A note of the channel's log as it is, with lines by these validators: of each both, or Ed25519 alone. */
  note(both: readonly number[], alone: readonly number[] = []): string {
    const { size, root } = this.#channel.log.head();
    const { origin } = this.#channel.policy;
    const treeSize = unwrap(parseTreeSize(size));
    const text = encodeCheckpoint({ origin, treeSize, root, extensions: [] });
    const lines = [...both, ...alone].map((i) =>
      this.#channel.cosign(text, present(this.#channel.validators[i], "validator")),
    );
    const second = both.map((i) => {
      const { name } = present(this.#channel.validators[i], "validator");
      const tree = { origin, size, root, timeSeconds: 1_780_000_200 + i };
      return mlDsaLine(name, present(this.keys[i], "second key"), tree);
    });
    return noteOf(text, [...lines, ...second]);
  }
}
