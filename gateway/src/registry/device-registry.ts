/**
 * Which devices the site knows: requests that wait, keys and certificates given out, revocations.
 * The running gateway and the `devices` commands share the file; SQLite orders them.
 */

import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { RevocationReason } from "@tamga/ledger-core/wire/channel-claims";
import type { EnrolmentRequest, KeyKind, TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { encodeTpmClaim } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RenewalOutcome } from "@tamga/ledger-core/wire/renewed-message";
import type { Database } from "better-sqlite3";
import { enrolmentsPendingMax, keysPerDeviceMax, tlsCertificatesPerDeviceMax } from "../limits.ts";
import { Invitations } from "./invitations.ts";
import type { DeviceKey, KeyRow } from "./key-row.ts";
import { keyKindOf, storedClaim, storedIntermediates, storedKey, toKey } from "./key-row.ts";
import { KeyStatements } from "./key-statements.ts";
import { registrySchema } from "./registry-schema.ts";
import type { RotationRequest } from "./rotations.ts";
import { Rotations } from "./rotations.ts";

/** A TLS certificate by the SHA-256 of its DER: a client that proves its key is this device. */
export type TlsIdentity = {
  readonly device: Identifier;
  readonly notAfter: UnixMillis;
  readonly revoked: boolean;
};

export type DeviceState = "pending" | "approved" | "revoked";
export type DeviceSummary = {
  readonly device: Identifier;
  readonly state: DeviceState;
  readonly keyKind: KeyKind;
  readonly kid: string;
  readonly notAfter: UnixMillis | undefined;
  /** Whether the ledger has the key with this certificate; undefined of a request and of a revoked key. */
  readonly ordered: boolean | undefined;
};

export type RegistryFault = {
  readonly code:
    | "ENROLMENT_PENDING_FULL"
    | "ENROLMENT_OTHER_KEY"
    | "DEVICE_EXISTS"
    | "DEVICE_UNKNOWN"
    | "DEVICE_KEYS_FULL"
    | "DEVICE_KEY_TAKEN"
    | "DEVICE_REVOKED";
};

export class DeviceRegistry {
  readonly invitations: Invitations;
  readonly keyStatements: KeyStatements;
  readonly rotations: Rotations;
  readonly #db: Database;

  constructor(path: string) {
    this.#db = openDatabase(path, { migrations: registrySchema });
    this.invitations = new Invitations(this.#db);
    this.keyStatements = new KeyStatements(this.#db);
    this.rotations = new Rotations(this.#db);
  }

  /**
   * Keeps a request until it is approved or dropped. The same key may ask again; another one may not
   * take the place of what an operator has perhaps looked at already.
   *
   * @param kid thumbprint of the signing key, whose possession the caller has checked.
   * Faults: DEVICE_EXISTS, ENROLMENT_OTHER_KEY, ENROLMENT_PENDING_FULL.
   */
  request(
    request: EnrolmentRequest & { readonly kid: Digest },
    at: UnixMillis,
  ): Result<null, RegistryFault> {
    return this.#db
      .transaction((): Result<null, RegistryFault> => {
        const { device, keyKind, signing, tls, kid, tpm } = request;
        const waiting = this.#count("SELECT count(*) AS n FROM request WHERE device <> ?", device);
        if (waiting >= enrolmentsPendingMax) return err({ code: "ENROLMENT_PENDING_FULL" });
        // A known device renews over its authenticated line; a request out of nowhere must not replace it.
        if (this.keysOf(device).length > 0) return err({ code: "DEVICE_EXISTS" });
        const other = "SELECT count(*) AS n FROM request WHERE device = ? AND hex(kid) <> upper(?)";
        if (this.#count(other, device, toHex(kid)) > 0) return err({ code: "ENROLMENT_OTHER_KEY" });
        this.#db
          .prepare("INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?, ?)")
          .run(
            device,
            keyKind,
            signing,
            tls,
            at,
            kid,
            tpm === undefined ? null : encodeTpmClaim(tpm),
          );
        return ok(null);
      })
      .immediate();
  }

  /** Forgets a request. Faults: DEVICE_UNKNOWN where none waits. */
  drop(device: Identifier): Result<null, RegistryFault> {
    const { changes } = this.#db.prepare("DELETE FROM request WHERE device = ?").run(device);
    return changes === 0 ? err({ code: "DEVICE_UNKNOWN" }) : ok(null);
  }

  pending(device: Identifier): EnrolmentRequest | undefined {
    const row = this.#db
      .prepare<
        [string],
        { key_kind: string; signing: Uint8Array; tls: Uint8Array; tpm: string | null }
      >("SELECT key_kind, signing, tls, tpm FROM request WHERE device = ?")
      .get(device);
    if (row === undefined) return undefined;
    return {
      device,
      keyKind: keyKindOf(row.key_kind),
      signing: new Uint8Array(row.signing),
      tls: new Uint8Array(row.tls),
      ...(row.tpm === null ? {} : { tpm: storedClaim(row.tpm) }),
    };
  }

  /** The TPM that a device was enrolled with. */
  tpmOf(device: Identifier): TpmClaim | undefined {
    const row = this.#db
      .prepare<[string], { claim: string }>("SELECT claim FROM device_tpm WHERE device = ?")
      .get(device);
    return row === undefined ? undefined : storedClaim(row.claim);
  }

  /**
   * Stores the certificates given out and forgets the request, in one commit.
   *
   * @param isFirst refuses a further key of a device that has one (DEVICE_EXISTS).
   * @param key.tpm that it was proved to be in; of a renewal none, and the first is kept.
   */
  admit(
    key: Omit<DeviceKey, "revoked"> & { readonly tpm?: TpmClaim },
    tls: {
      readonly fingerprint: Digest;
      readonly certificate: Uint8Array;
      readonly notAfter: UnixMillis;
    },
    { isFirst }: { readonly isFirst: boolean } = { isFirst: false },
  ): Result<null, RegistryFault> {
    return this.#db
      .transaction((): Result<null, RegistryFault> => {
        const keys = this.keysOf(key.device);
        if (keys.some((known) => known.revoked !== undefined))
          return err({ code: "DEVICE_REVOKED" });
        const holder = this.key(key.kid)?.device;
        if (holder !== undefined && holder !== key.device) return err({ code: "DEVICE_KEY_TAKEN" });
        const known = holder !== undefined;
        if (isFirst && !known && keys.length > 0) return err({ code: "DEVICE_EXISTS" });
        if (!known && keys.length >= keysPerDeviceMax) return err({ code: "DEVICE_KEYS_FULL" });
        const { publicKey } = key;
        this.#db
          .prepare(
            `INSERT INTO device_key VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)
             ON CONFLICT (kid) DO UPDATE SET certificate = excluded.certificate,
               not_after = excluded.not_after, intermediates = excluded.intermediates`,
          )
          .run(
            key.kid,
            key.device,
            publicKey.algorithm,
            storedKey(publicKey),
            key.keyKind,
            key.chain[0],
            key.notAfter,
            storedIntermediates(key.chain),
          );
        this.#db
          .prepare("INSERT OR REPLACE INTO tls_certificate VALUES (?, ?, ?, ?)")
          .run(tls.fingerprint, key.device, tls.notAfter, tls.certificate);
        // A device keeps its newest certificates only. Dates do not say which those are: clocks are set back.
        this.#db
          .prepare(
            `DELETE FROM tls_certificate WHERE device = ? AND fingerprint NOT IN (
               SELECT fingerprint FROM tls_certificate WHERE device = ? ORDER BY rowid DESC LIMIT ?)`,
          )
          .run(key.device, key.device, tlsCertificatesPerDeviceMax);
        this.#db.prepare("DELETE FROM request WHERE device = ?").run(key.device);
        if (key.tpm !== undefined)
          this.#db
            .prepare("INSERT OR REPLACE INTO device_tpm VALUES (?, ?)")
            .run(key.device, encodeTpmClaim(key.tpm));
        return ok(null);
      })
      .immediate();
  }

  /** Stores a device's next key with what was answered to its request, in one commit. Faults: as {@link admit}. */
  rotate(
    key: Parameters<DeviceRegistry["admit"]>[0],
    tls: Parameters<DeviceRegistry["admit"]>[1],
    { outcome, ...request }: RotationRequest & { readonly outcome: RenewalOutcome },
  ): Result<null, RegistryFault> {
    return this.#db
      .transaction((): Result<null, RegistryFault> => {
        const admitted = this.admit(key, tls);
        if (admitted.ok) this.rotations.certified(request, outcome);
        return admitted;
      })
      .immediate();
  }

  key(kid: Digest): DeviceKey | undefined {
    const row = this.#db
      .prepare<[Uint8Array], KeyRow>("SELECT * FROM device_key WHERE kid = ?")
      .get(kid);
    return row === undefined ? undefined : toKey(row);
  }

  /** In the order of their admission: the last is the one that it goes on with. */
  keysOf(device: Identifier): readonly DeviceKey[] {
    return this.#db
      .prepare<[string], KeyRow>("SELECT * FROM device_key WHERE device = ? ORDER BY rowid")
      .all(device)
      .map(toKey);
  }

  /** Newest TLS certificate of a device, for the answer file. */
  tlsCertificate(device: Identifier): Uint8Array | undefined {
    const row = this.#db
      .prepare<[string], { certificate: Uint8Array }>(
        "SELECT certificate FROM tls_certificate WHERE device = ? ORDER BY rowid DESC LIMIT 1",
      )
      .get(device);
    return row === undefined ? undefined : new Uint8Array(row.certificate);
  }

  tls(fingerprint: Uint8Array): TlsIdentity | undefined {
    const row = this.#db
      .prepare<[Uint8Array], { device: Identifier; not_after: number; revoked: number }>(
        `SELECT device, not_after, EXISTS (SELECT 1 FROM device_key k
           WHERE k.device = t.device AND k.revoked_reason IS NOT NULL) AS revoked
         FROM tls_certificate t WHERE fingerprint = ?`,
      )
      .get(fingerprint);
    if (row === undefined) return undefined;
    return { device: row.device, notAfter: unixMillis(row.not_after), revoked: row.revoked === 1 };
  }

  /** Revokes every key of a device; `statements` are the signed transactions for the ledger, by kid. */
  revoke(
    device: Identifier,
    revocation: { readonly reason: RevocationReason; readonly since: UnixMillis },
    statements: readonly { readonly kid: Digest; readonly statement: Uint8Array }[],
  ): Result<null, RegistryFault> {
    if (this.keysOf(device).length === 0) return err({ code: "DEVICE_UNKNOWN" });
    this.#db
      .transaction(() => {
        this.#db
          .prepare(
            "UPDATE device_key SET revoked_reason = ?, revoked_since = ? WHERE device = ? AND revoked_reason IS NULL",
          )
          .run(revocation.reason, revocation.since, device);
        const insert = this.#db.prepare(
          "INSERT OR IGNORE INTO revocation (kid, statement) VALUES (?, ?)",
        );
        for (const { kid, statement } of statements) insert.run(kid, statement);
      })
      .immediate();
    return ok(null);
  }

  /** Revocations that the ledger has not ordered yet. */
  unorderedRevocations(): readonly { readonly kid: Digest; readonly statement: Uint8Array }[] {
    return this.#db
      .prepare<[], { kid: Uint8Array; statement: Uint8Array }>(
        "SELECT kid, statement FROM revocation WHERE ordered = 0",
      )
      .all()
      .map((row) => ({
        kid: mint<Digest>(new Uint8Array(row.kid)),
        statement: new Uint8Array(row.statement),
      }));
  }

  markRevocationOrdered(kid: Digest): void {
    this.#db.prepare("UPDATE revocation SET ordered = 1 WHERE kid = ?").run(kid);
  }

  /** Has the ledger asked again for revocations that it does not hold, e.g. since it was opened anew. */
  reviveRevocations(isHeld: (kid: Digest) => boolean): void {
    const all = this.#db.prepare<[], { kid: Uint8Array }>("SELECT kid FROM revocation").all();
    const revive = this.#db.prepare("UPDATE revocation SET ordered = 0 WHERE kid = ?");
    for (const row of all) {
      const kid = mint<Digest>(new Uint8Array(row.kid));
      if (!isHeld(kid)) revive.run(kid);
    }
  }

  /** One for each request and key; of a device with several keys the one that it goes on with comes last. */
  list(): readonly DeviceSummary[] {
    const pending = this.#db
      .prepare<[], { device: Identifier; key_kind: string; kid: Uint8Array }>(
        "SELECT device, key_kind, kid FROM request",
      )
      .all()
      .map((row) => ({
        device: row.device,
        state: "pending" as const,
        keyKind: keyKindOf(row.key_kind),
        kid: toHex(new Uint8Array(row.kid)),
        notAfter: undefined,
        ordered: undefined,
      }));
    const keys = this.#db
      .prepare<[], KeyRow>("SELECT * FROM device_key ORDER BY device, rowid")
      .all()
      .map(toKey)
      .map((key) => ({
        device: key.device,
        state: key.revoked === undefined ? ("approved" as const) : ("revoked" as const),
        keyKind: key.keyKind,
        kid: toHex(key.kid),
        notAfter: key.notAfter,
        // Of a revoked key the revocation is what counts there.
        ordered: key.revoked === undefined ? this.keyStatements.isOrdered(key.kid) : undefined,
      }));
    return [...pending, ...keys];
  }

  /** Changes when another process has written: a cache above this is then stale. */
  version(): number {
    return Number(this.#db.pragma("data_version", { simple: true }));
  }

  close(): void {
    this.#db.close();
  }

  #count(sql: string, ...args: readonly string[]): number {
    return this.#db.prepare<string[], { n: number }>(sql).get(...args)?.n ?? 0;
  }
}
