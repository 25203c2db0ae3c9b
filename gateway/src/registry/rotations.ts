/** Requests for another signing key in `registry.db`: those that wait for an operator, and what was answered. */

import { assert } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { encodeRenewedMessage, parseRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import type { Database } from "better-sqlite3";

/** A request that was verified: its identity, its keys, and its exact bytes. */
export type RotationRequest = {
  readonly request: Digest;
  readonly device: Identifier;
  readonly from: Digest;
  readonly to: Digest;
  readonly message: Uint8Array;
  readonly at: UnixMillis;
};

export type WaitingRotation = Pick<RotationRequest, "device" | "from" | "to" | "message">;

type Row = { device: Identifier; from_kid: Uint8Array; to_kid: Uint8Array; message: Uint8Array };

export class Rotations {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** What was said to this very request; undefined where it was never judged. */
  find(request: Digest): RenewedMessage["outcome"] | undefined {
    const row = this.#db
      .prepare<[Uint8Array], { answer: Uint8Array | null }>(
        "SELECT answer FROM rotation WHERE request = ?",
      )
      .get(request);
    if (row === undefined) return undefined;
    if (row.answer === null) return { type: "waiting" };
    const parsed = parseRenewedMessage(new Uint8Array(row.answer));
    assert(parsed.ok, "a stored answer can be read");
    return parsed.value.outcome;
  }

  /** Keeps it for an operator, in the place of what waited or was dropped of this device: one at a time. */
  wait(rotation: RotationRequest): void {
    this.#db
      .transaction(() => {
        this.#db
          .prepare("DELETE FROM rotation WHERE device = ? AND certified = 0")
          .run(rotation.device);
        this.#insert(rotation, 0, null);
      })
      .immediate();
  }

  /** Keeps what was answered; inside the transaction that admits the key. */
  certified(rotation: RotationRequest, outcome: RenewedMessage["outcome"]): void {
    const { request, device } = rotation;
    this.#db.prepare("DELETE FROM rotation WHERE device = ? AND certified = 0").run(device);
    this.#insert(rotation, 1, encodeRenewedMessage({ request, outcome }));
  }

  /** Those that an operator has to look at. */
  waiting(): readonly WaitingRotation[] {
    return this.#db
      .prepare<[], Row>("SELECT * FROM rotation WHERE answer IS NULL ORDER BY device")
      .all()
      .map((row) => ({
        device: row.device,
        from: mint<Digest>(new Uint8Array(row.from_kid)),
        to: mint<Digest>(new Uint8Array(row.to_kid)),
        message: new Uint8Array(row.message),
      }));
  }

  /** Has the device be told that it is refused. @returns false where none waits. */
  drop(device: Identifier, code: string): boolean {
    const row = this.#db
      .prepare<[string], { request: Uint8Array }>(
        "SELECT request FROM rotation WHERE device = ? AND answer IS NULL",
      )
      .get(device);
    if (row === undefined) return false;
    const request = mint<Digest>(new Uint8Array(row.request));
    const answer = encodeRenewedMessage({ request, outcome: { type: "refused", code } });
    this.#db.prepare("UPDATE rotation SET answer = ? WHERE request = ?").run(answer, request);
    return true;
  }

  #insert(rotation: RotationRequest, certified: 0 | 1, answer: Uint8Array | null): void {
    const { request, device, from, to, message, at } = rotation;
    this.#db
      .prepare("INSERT OR REPLACE INTO rotation VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .run(request, device, from, to, message, at, certified, answer);
  }
}
