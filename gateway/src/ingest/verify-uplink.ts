/** Judges one uplink statement message by itself: form, signature, body. Pure but for its ports. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TreeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { parseBody } from "@tamga/ledger-core/wire/body";
import { sigStructure } from "@tamga/ledger-core/wire/cose";
import type {
  BundleClaims,
  BundleHash,
  DeviceClaims,
  SequenceRange,
} from "@tamga/ledger-core/wire/device-claims";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { isLogOf, openEvidence } from "@tamga/ledger-core/wire/evidence-statement";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { bundleHasher, saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { parseStatementMessage } from "@tamga/ledger-core/wire/uplink-message";

/** Whose line the message came in on, and the keys that its statements may be signed with. */
export type UplinkSender = {
  readonly channel: Identifier;
  readonly device: Identifier;
  readonly keys: readonly { readonly kid: Digest; readonly publicKey: PublicKey }[];
};

/** Where a statement stands in its stream. */
export type StatementPosition = {
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
};

/** A statement that passed every check that needs no memory of other statements. */
export type VerifiedUplink = {
  readonly statement: Uint8Array;
  readonly identity: Digest;
  readonly type: DeviceClaims["kind"];
  readonly position: StatementPosition;
  readonly body?: EncodedBody;
};

/** `digest` names the refused thing in the rejection; `position` where it could be read. */
export type UplinkFault = {
  readonly code: string;
  readonly digest: Digest;
  readonly position?: StatementPosition;
};

export type UplinkPorts = {
  readonly crypto: CryptoPort;
  /** Of bundles; this thread's own, since they reuse their buffers. */
  readonly hashers: Readonly<Record<BundleHash, TreeHasher>>;
  /** Decodes a body within its declared length. Faults: BODY_*. */
  readonly decodeBody: (body: EncodedBody) => Result<Uint8Array, { readonly code: string }>;
};

/** Faults: those of the message, the statement and the body, and UPLINK_*. */
export function verifyUplink(
  ports: UplinkPorts,
  payload: Uint8Array,
  sender: UplinkSender,
): Result<VerifiedUplink, UplinkFault> {
  const { crypto } = ports;
  const message = parseStatementMessage(payload);
  if (!message.ok) return err({ code: message.fault.code, digest: crypto.sha256(payload) });
  const { statement, body } = message.value;
  const parsed = parseStatement(statement);
  if (!parsed.ok) return err({ code: parsed.fault.code, digest: crypto.sha256(statement) });
  // Both the identity and the signature are over these bytes.
  const toBeSigned = sigStructure(parsed.value.part);
  const identity = crypto.sha256(toBeSigned);
  const refuse = (code: string, position?: StatementPosition) =>
    err({ code, digest: identity, ...(position === undefined ? {} : { position }) });

  const { header } = parsed.value;
  if (header.channel !== sender.channel || header.issuer !== sender.device) {
    return refuse("UPLINK_FOREIGN_ISSUER");
  }
  const claims = parseClaims(parsed.value);
  if (!claims.ok) return refuse(claims.fault.code);
  const { incarnation, range } = claims.value.position;
  const position = { stream: header.subject, incarnation, range };
  const key = sender.keys.find((known) => equal(known.kid, header.kid));
  if (key === undefined) return refuse("UPLINK_KEY_UNKNOWN", position);
  // The registry gave the kid to this very key: it is not derived from it once more.
  const { publicKey } = key;
  if (publicKey.algorithm !== header.algorithm) return refuse("SIGNATURE_KEY_MISMATCH", position);
  if (!crypto.verify(publicKey, toBeSigned, parsed.value.part.signature)) {
    return refuse("SIGNATURE_WRONG", position);
  }

  const verified = {
    statement,
    identity,
    type: claims.value.kind,
    position,
  };
  if (claims.value.kind === "evidence") {
    const judged = verifyLog(ports, body, openEvidence(header, claims.value));
    if (!judged.ok) return refuse(judged.fault.code, position);
    return ok(body === undefined ? verified : { ...verified, body });
  }
  if (claims.value.kind !== "bundle") {
    return body === undefined ? ok(verified) : refuse("UPLINK_BODY_UNEXPECTED", position);
  }
  if (body === undefined) return refuse("UPLINK_BODY_MISSING", position);
  const judged = verifyBody(ports, body, claims.value);
  return judged.ok ? ok({ ...verified, body }) : refuse(judged.fault.code, position);
}

/** A log may stay away: then events cannot be judged. One that comes is the one that was quoted beside. */
function verifyLog(
  ports: UplinkPorts,
  encoded: EncodedBody | undefined,
  evidence: ReturnType<typeof openEvidence>,
): Result<null, { readonly code: string }> {
  if (!evidence.ok) return evidence;
  if (encoded === undefined) return ok(null);
  if (evidence.value.eventLog === undefined) return err({ code: "UPLINK_BODY_UNEXPECTED" });
  const log = ports.decodeBody(encoded);
  if (!log.ok) return log;
  return isLogOf(ports.crypto, evidence.value, log.value)
    ? ok(null)
    : err({ code: "EVENT_LOG_OTHER" });
}

/** The root is checked over the readings' bytes; they are decoded only when somebody asks. */
function verifyBody(
  ports: UplinkPorts,
  encoded: EncodedBody,
  { hash, root, position }: BundleClaims,
): Result<null, { readonly code: string }> {
  const decoded = ports.decodeBody(encoded);
  if (!decoded.ok) return decoded;
  const body = parseBody(decoded.value);
  if (!body.ok) return body;
  const { seed, readings } = body.value;
  if (readings.length !== position.range.count) return err({ code: "BODY_COUNT_WRONG" });
  const leaves = saltedLeaves(bundleHasher(ports.crypto, hash), seed, readings);
  return equal(rootOf(ports.hashers[hash], leaves), root)
    ? ok(null)
    : err({ code: "BODY_ROOT_WRONG" });
}

function parseClaims(statement: ParsedStatement): Result<DeviceClaims, { readonly code: string }> {
  const { type } = statement.header;
  switch (type) {
    case "bundle":
    case "gap":
    case "start":
    case "heartbeat":
    case "evidence":
    case "sm3-bundle":
      return parseDeviceClaims(type, statement.claims);
    default:
      return err({ code: "UPLINK_TYPE_NOT_A_DEVICES" });
  }
}
