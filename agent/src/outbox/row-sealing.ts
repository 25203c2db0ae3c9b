/** Readings of an outbox as they lie on disk: journal rows and bodies, encrypted where that is configured. */

import { concat, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { RestCipherName } from "../at-rest/rest-cipher.ts";
import { restOverheadBytes } from "../at-rest/rest-cipher.ts";
import type { RestKey } from "../at-rest/rest-key.ts";
import { sealedEncoding } from "./outbox-schema.ts";
import type { BodyRow } from "./statement-table.ts";

type Journaled = {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly sealed?: number;
};

/** Bytes that a journal row has on disk. */
export function storedLength({ bytes, sealed = 0 }: Journaled): number {
  return bytes.length + (sealed === 0 ? 0 : restOverheadBytes);
}

/** Of the key that this outbox has encrypted rows of; undefined where it never had any. */
export function restCheckOf(database: Database): Uint8Array | undefined {
  const check = database
    .prepare<[], Uint8Array | null>("SELECT rest_check FROM meta")
    .pluck()
    .get();
  return check === null || check === undefined ? undefined : new Uint8Array(check);
}

/**
 * Statements stay as they are: they are hashes, counts and times, and leave the site. Rows are tied to their
 * place, so that none can be put where another was.
 */
export class RowSealing {
  static readonly none = new RowSealing(undefined, false);
  readonly #key: RestKey | undefined;
  readonly #isOn: boolean;

  private constructor(key: RestKey | undefined, isOn: boolean) {
    this.#key = key;
    this.#isOn = isOn;
  }

  /**
   * @param key that opens what is encrypted already.
   * @param isOn whether new rows are encrypted; needs the key, which the database then names for ever.
   */
  static open(
    database: Database,
    { key, isOn }: { readonly key: RestKey | undefined; readonly isOn: boolean },
  ): RowSealing {
    // Not at each start: the disk may be full.
    if (key !== undefined && isOn && restCheckOf(database) === undefined)
      database.prepare<[Uint8Array]>("UPDATE meta SET rest_check = ?").run(key.check);
    return new RowSealing(key, key !== undefined && isOn);
  }

  get name(): RestCipherName {
    return this.#isOn ? (this.#key?.cipher.name ?? "off") : "off";
  }

  lengthOnDisk(length: number): number {
    return length + (this.#isOn ? restOverheadBytes : 0);
  }

  journalIn(run: number, { sequence, bytes }: Journaled): { bytes: Uint8Array; sealed: 0 | 1 } {
    if (!this.#isOn || this.#key === undefined) return { bytes, sealed: 0 };
    return { bytes: this.#key.cipher.seal(bytes, journalPlace(run, sequence)), sealed: 1 };
  }

  journalOut<Row extends Journaled>(run: number, row: Row): Row {
    if ((row.sealed ?? 0) === 0) return row;
    return { ...row, bytes: this.#open(row.bytes, journalPlace(run, row.sequence)) };
  }

  bodyIn(identity: Uint8Array, body: BodyRow): BodyRow {
    if (!this.#isOn || this.#key === undefined) return body;
    const bytes = this.#key.cipher.seal(body.bytes, bodyPlace(identity));
    return { ...body, encoding: body.encoding + sealedEncoding, bytes };
  }

  bodyOut(identity: Uint8Array, body: BodyRow): BodyRow {
    if (body.encoding < sealedEncoding) return body;
    const bytes = this.#open(body.bytes, bodyPlace(identity));
    return { ...body, encoding: body.encoding - sealedEncoding, bytes };
  }

  #open(sealed: Uint8Array, place: Uint8Array): Uint8Array {
    const plain = this.#key?.cipher.open(sealed, place);
    if (plain !== undefined) return plain;
    throw new OperationalError(
      "DATABASE_ROW_ALTERED",
      "an encrypted row of the outbox does not open: the disk is failing or somebody changed the file; restore " +
        "outbox.db from a backup, or move it and outbox.key away, which gives up what no gateway has yet",
    );
  }
}

function journalPlace(run: number, sequence: number): Uint8Array {
  return concat(utf8("journal"), u64(BigInt(run)), u64(BigInt(sequence)));
}

function bodyPlace(identity: Uint8Array): Uint8Array {
  return concat(utf8("body"), identity);
}
