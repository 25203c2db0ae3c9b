/** Nonces that need no memory: each says when it was drawn and for whom, under a key of this gateway's own. */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { concat, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";

const keyBytes = 32;
const randomLength = 8;
const tagLength = 16;
const nonceLength = 8 + randomLength + tagLength;

export class ChallengeNonces {
  readonly #key: Uint8Array;

  /** @param key 32 secret bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * The key is made where the file is not there. Whoever has it can only make old quotes look fresh.
   *
   * @throws OperationalError CHALLENGE_KEY_WRONG, FILE_UNWRITABLE, DISK_FULL.
   */
  static open(path: string): ChallengeNonces {
    if (!existsSync(path)) writeFileDurable(path, randomBytes(keyBytes), 0o600);
    const key = readBounded(path, keyBytes);
    if (key.length === keyBytes) return new ChallengeNonces(key);
    throw new OperationalError(
      "CHALLENGE_KEY_WRONG",
      `${path} does not hold the ${keyBytes} bytes of a key: remove it, and the next start makes another.`,
    );
  }

  /** 32 bytes that nobody can tell beforehand. */
  draw(address: DeviceAddress, now: UnixMillis): Uint8Array {
    const head = concat(u64(BigInt(now)), randomBytes(randomLength));
    return concat(head, this.#tag(address, head));
  }

  /** When this gateway drew it for this device; undefined where it did not. */
  drawnAt(address: DeviceAddress, nonce: Uint8Array): UnixMillis | undefined {
    if (nonce.length !== nonceLength) return undefined;
    const head = nonce.subarray(0, nonceLength - tagLength);
    const tag = nonce.subarray(nonceLength - tagLength);
    if (!timingSafeEqual(tag, this.#tag(address, head))) return undefined;
    const millis = new DataView(head.buffer, head.byteOffset).getBigUint64(0);
    return unixMillis(Number(millis));
  }

  #tag({ channel, device }: DeviceAddress, head: Uint8Array): Uint8Array {
    // Neither name can hold a slash.
    const named = utf8(`tamga/challenge/1 ${channel}/${device}/`);
    const mac = createHmac("sha256", this.#key).update(named).update(head).digest();
    return new Uint8Array(mac.subarray(0, tagLength));
  }
}
