/** One-time codes that the operator has handed out, as `registry.db` keeps them: what proves them, never the code. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Invitation, InvitationProof } from "@tamga/ledger-core/daemon/invitation";
import { isInvitationProven } from "@tamga/ledger-core/daemon/invitation";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { Database } from "better-sqlite3";
import { invitationsMax } from "../limits.ts";

export type InvitationFault = {
  readonly code:
    | "INVITATIONS_FULL"
    | "INVITATION_UNKNOWN"
    /** No such code, or not known to who asks: which of them is not told. */
    | "INVITATION_WRONG"
    | "INVITATION_EXPIRED"
    | "INVITATION_USED"
    | "INVITATION_OTHER_DEVICE";
};

export type InvitationSummary = {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly device: string | undefined;
  readonly until: number;
  /** Thumbprint of the key that used it. */
  readonly kid: string | undefined;
};

type Row = {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
  readonly device: string | null;
  readonly until: number;
  readonly kid: Uint8Array | null;
};

export class Invitations {
  readonly #db: Database;

  /** @param db of the registry. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** Those that ran out unused make room. Faults: INVITATIONS_FULL. */
  add(
    { id, key }: Invitation,
    part: {
      readonly device: Identifier | undefined;
      readonly until: UnixMillis;
      readonly now: UnixMillis;
    },
  ): Result<null, InvitationFault> {
    return this.#db
      .transaction((): Result<null, InvitationFault> => {
        this.#db.prepare("DELETE FROM invitation WHERE kid IS NULL AND until < ?").run(part.now);
        const open = this.#db
          .prepare("SELECT count(*) FROM invitation WHERE kid IS NULL")
          .pluck()
          .get();
        if (Number(open) >= invitationsMax) return err({ code: "INVITATIONS_FULL" });
        this.#db
          .prepare("INSERT INTO invitation VALUES (?, ?, ?, ?, NULL)")
          .run(id, key, part.device ?? null, part.until);
        return ok(null);
      })
      .immediate();
  }

  list(): readonly InvitationSummary[] {
    return this.#db
      .prepare<[], Row>("SELECT * FROM invitation ORDER BY until")
      .all()
      .map(({ id, device, until, kid }) => ({
        id: toHex(id),
        device: device ?? undefined,
        until,
        kid: kid === null ? undefined : toHex(kid),
      }));
  }

  /** Takes an open one back. Faults: INVITATION_UNKNOWN, INVITATION_USED. */
  drop(id: Uint8Array): Result<null, InvitationFault> {
    const row = this.#row(id);
    if (row === undefined) return err({ code: "INVITATION_UNKNOWN" });
    if (row.kid !== null) return err({ code: "INVITATION_USED" });
    this.#db.prepare("DELETE FROM invitation WHERE id = ? AND kid IS NULL").run(id);
    return ok(null);
  }

  /**
   * Takes a code for one key, durably. The same key may come again with it: it may have lost power before the
   * answer was on its disk, and so may the gateway between this and its approval.
   *
   * @param asked the request's exact text. Faults: INVITATION_*.
   */
  use(
    { id, proof }: InvitationProof,
    asked: {
      readonly text: string;
      readonly device: Identifier;
      readonly kid: Digest;
      readonly now: UnixMillis;
    },
  ): Result<null, InvitationFault> {
    return this.#db
      .transaction((): Result<null, InvitationFault> => {
        const row = this.#row(id);
        const said = { purpose: "request", text: asked.text } as const;
        if (row === undefined || !isInvitationProven(row.key, proof, said))
          return err({ code: "INVITATION_WRONG" });
        if (row.device !== null && row.device !== asked.device)
          return err({ code: "INVITATION_OTHER_DEVICE" });
        if (row.kid !== null)
          return equal(row.kid, asked.kid) ? ok(null) : err({ code: "INVITATION_USED" });
        if (row.until < asked.now) return err({ code: "INVITATION_EXPIRED" });
        this.#db.prepare("UPDATE invitation SET kid = ? WHERE id = ?").run(asked.kid, id);
        return ok(null);
      })
      .immediate();
  }

  /** The one that a key used: its device believes an answer that it proves. */
  usedBy(kid: Digest): Invitation | undefined {
    const row = this.#db
      .prepare<[Uint8Array], Row>("SELECT * FROM invitation WHERE kid = ?")
      .get(kid);
    return row && { id: new Uint8Array(row.id), key: new Uint8Array(row.key) };
  }

  #row(id: Uint8Array): Row | undefined {
    return this.#db.prepare<[Uint8Array], Row>("SELECT * FROM invitation WHERE id = ?").get(id);
  }
}

/** Why a code was not taken, for whoever enrols and for the operator. */
export const invitationSentences: Readonly<Record<string, string>> = {
  INVITATIONS_FULL:
    "Too many codes are open: drop some with `tamga-gateway devices invitations --drop ID`.",
  INVITATION_EXPIRED: "The code has expired: ask the operator for a new one.",
  INVITATION_OTHER_DEVICE: "The code is for a device of another name.",
  INVITATION_UNKNOWN: "There is no such code: see `tamga-gateway devices invitations`.",
  INVITATION_USED:
    "The code was used by another key; if that was not yours, tell the operator at once.",
  INVITATION_WRONG: "The code is not one of this site's: check each digit.",
};
