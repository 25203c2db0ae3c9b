/** Brings the keys of the site's devices to the ledger: what was enrolled or renewed is a transaction there. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { LedgerFault } from "@tamga/ledger-core/ledger/ledger";
import { encodeGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { keysPerTurnMax } from "../limits.ts";
import type { DeviceKey } from "../registry/key-row.ts";
import type { KeyStatement, KeyStatements } from "../registry/key-statements.ts";
import type { caSigner } from "../site/site-ledger.ts";

export type KeyOrdererOptions = {
  readonly statements: Pick<KeyStatements, "unstated" | "add" | "unordered" | "markOrdered">;
  /** Whether a device belongs to this channel. */
  readonly isOurs: (device: Identifier) => boolean;
  readonly channel: {
    readonly id: Digest;
    readonly name: Identifier;
    /** `channel`, as organisations' statements have it. */
    readonly subject: Identifier;
  };
  readonly organisation: { readonly name: Identifier; readonly kid: Digest };
  readonly signer: ReturnType<typeof caSigner>;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Submit = (
  transaction: Transaction,
  signal: AbortSignal,
) => Promise<Result<{ readonly index: bigint }, LedgerFault>>;

export class KeyOrderer {
  readonly #options: KeyOrdererOptions;
  /** Statements that the ledger will not take: a person was told, and they wait for the next start. */
  readonly #hopeless = new Set<number>();
  /** Something may have to be stated: looking costs a pass over all keys. */
  #mayHaveMore = true;

  constructor(options: KeyOrdererOptions) {
    this.#options = options;
  }

  /** Keys may have come or changed. */
  changed(): void {
    this.#mayHaveMore = true;
  }

  /**
   * Some at a time, so that a thousand new devices do not hold up the heads. Nothing rests on a key's being
   * ordered but what others can know of it.
   *
   * @returns false where there was nothing to order.
   */
  async order(submit: Submit, signal: AbortSignal): Promise<boolean> {
    if (!this.#mayHaveMore) return false;
    this.#mayHaveMore = false;
    try {
      const some = await this.#orderSome(submit, signal);
      if (some) this.#mayHaveMore = true;
      return some;
    } catch (error) {
      // A full disk, or the end: what was not done is still to be done.
      this.#mayHaveMore = true;
      throw error;
    }
  }

  async #orderSome(submit: Submit, signal: AbortSignal): Promise<boolean> {
    const { statements, isOurs, channel } = this.#options;
    const part = { isOurs, limit: keysPerTurnMax };
    for (const key of statements.unstated(part)) statements.add(key, await this.#sign(key));
    const waiting = statements.unordered(channel.id, { ...part, except: this.#hopeless });
    await Promise.all(waiting.map((one) => this.#submit(one, submit, signal)));
    return waiting.length > 0;
  }

  async #submit(one: KeyStatement, submit: Submit, signal: AbortSignal): Promise<void> {
    const { statements, channel, logger } = this.#options;
    const { id, kid, device, statement, chain: certificates } = one;
    const submitted = await submit({ statement, consistency: [], certificates }, signal);
    const code = submitted.ok ? undefined : submitted.fault.code;
    // Revoked meanwhile, or stated before by another file of this site: there is no more to say.
    if (code === undefined || code === "KEY_REVOKED" || code === "DEVICE_KEY_KNOWN") {
      statements.markOrdered(id, channel.id);
      return;
    }
    this.#hopeless.add(id);
    const facts = { event: "device-key.refused", device, kid: toHex(kid), code } as const;
    logger.error(facts, "the ledger refuses a device's key: others cannot know it from there");
  }

  async #sign({ device, kid, chain, keyKind }: DeviceKey): Promise<Uint8Array> {
    const { channel, organisation, signer, clock } = this.#options;
    const now = clock.now();
    const [certificate = new Uint8Array()] = chain;
    const unsigned = prepareStatement(
      {
        algorithm: signer.publicKey.algorithm,
        kid: organisation.kid,
        type: "device-key",
        channel: channel.name,
        issuer: organisation.name,
        subject: channel.subject,
        issuedAt: Math.floor(now / 1_000),
      },
      encodeGovernanceClaims({
        kind: "device-key",
        device,
        kid,
        certificate: nodeCrypto.sha256(certificate),
        keyKind,
        at: now,
      }),
    );
    return finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
  }
}
