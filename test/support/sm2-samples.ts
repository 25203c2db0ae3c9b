/** What `test/vectors/sm2-statement-v1.json` pins: statements and receipts under SM2 keys, true and false. */

import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import { encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeSign1, parseSign1, sigStructure } from "@tamga/ledger-core/wire/cose";
import type { TestKey } from "./certificate-builder.ts";
import { fixedKey } from "./fixed-key.ts";
import {
  bytes32,
  ecdsaOnSm2Curve,
  inverse,
  mod,
  numberOf,
  sm2Curve,
  sm2Digest,
  sm2Signature,
} from "./sm2-keys.ts";
import type { Party } from "./synthetic-channel.ts";
import { pointOf, SyntheticChannel } from "./synthetic-channel.ts";
import { unwrap } from "./unwrap.ts";

/** Bytes, and what is said of them: `ok` or `valid`, or a code. */
export type Sm2Sample = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly verdict: string;
};
export type Sm2ReceiptSample = Sm2Sample & { readonly policy: "site" | "organisation" | "forged" };

const owner = "device-1";
const secret = nobleCrypto.sha256(utf8(`tamga test vector: ${owner}`));
const { n } = sm2Curve;
type Sign = (message: Uint8Array) => Uint8Array;

const ecdsa: Sign = (message) => ecdsaOnSm2Curve(secret, message, { nonce: nonceFor(message) });
const otherId: Sign = (message) =>
  sm2Signature(secret, message, { nonce: nonceFor(message), userId: "ALICE123@YAHOO.COM" });

/** A device with an SM2 key, under the P-256 CA of its site. */
const site = channelOf((algorithm, of) => fixedKey(of === owner ? "SM2-SM3" : algorithm, of));
/** And under the SM2 CA of its organisation. */
const organisation = channelOf((algorithm, of) =>
  fixedKey(of === owner || of === "organisation-1" ? "SM2-SM3" : algorithm, of),
);
/** Whose CA signs ECDSA with its SM2 key. */
const forged = channelOf((algorithm, of) => {
  if (of === owner) return fixedKey("SM2-SM3", of);
  if (of !== "organisation-1") return fixedKey(algorithm, of);
  const caSecret = nobleCrypto.sha256(utf8(`tamga test vector: ${of}`));
  const sign: Sign = (message) => ecdsaOnSm2Curve(caSecret, message, { nonce: nonceFor(message) });
  return { ...fixedKey("SM2-SM3", of), sign };
});

export const sm2Policies = {
  site: site.policy,
  organisation: organisation.policy,
  forged: forged.policy,
};
export const sm2DeviceKey = site.device.key;
const good = site.bundle().statement;
const part = unwrap(parseSign1(good));
const point = pointOf(sm2DeviceKey);
const [r, s] = [part.signature.slice(0, 32), part.signature.slice(32)];

/** In the order of the file. */
export const sm2Statements: readonly Sm2Sample[] = [
  { name: "a bundle", bytes: good, verdict: "ok" },
  {
    name: "a bundle hashed with SM3",
    bytes: site.bundle({ hash: "sm3" }).statement,
    verdict: "ok",
  },
  wrong("for another user ID", otherId),
  wrong("ECDSA on the SM2 curve", ecdsa),
  signed("r and n - s", concat(r, bytes32(n - numberOf(s)))),
  signed("n - r and s", concat(bytes32(n - numberOf(r)), s)),
  signed("s and r", concat(s, r)),
  signed("r of 0", concat(bytes32(0n), s)),
  signed("s of 0", concat(r, bytes32(0n))),
  signed("r of n", concat(bytes32(n), s)),
  signed("s of n", concat(r, bytes32(n))),
  signed("r + s of n", concat(r, bytes32(n - numberOf(r)))),
  wrong("aimed at the point at infinity", (message) => {
    const e = mod(sm2Digest(point, message), n);
    const d = numberOf(secret);
    return concat(bytes32(e), bytes32(mod(-e * d * inverse(1n + d), n)));
  }),
  signed("a bit changed", part.signature.with(63, (part.signature[63] ?? 0) ^ 1)),
  {
    name: "a payload changed",
    bytes: encodeSign1({ ...part, payload: flippedLast(part.payload) }),
    verdict: "SIGNATURE_WRONG",
  },
  {
    name: "a byte more",
    bytes: encodeSign1({ ...part, signature: concat(part.signature, Uint8Array.of(0)) }),
    verdict: "STATEMENT_SIGNATURE_LENGTH",
  },
  renumbered("as ES256", -7, "SIGNATURE_KEY_MISMATCH"),
  renumbered("under a number that nobody has", -65_537, "STATEMENT_ALGORITHM_UNKNOWN"),
  {
    name: "named as a P-256 key of the same numbers",
    bytes: site.bundle({ by: withKid() }).statement,
    verdict: "SIGNATURE_KEY_MISMATCH",
  },
];

export const sm2Receipts: readonly Sm2ReceiptSample[] = [
  receipt("site", "under the site's CA", "valid"),
  receipt("site", "for another user ID", "RECEIPT_SIGNATURE_WRONG", otherId),
  receipt("site", "ECDSA on the SM2 curve", "RECEIPT_SIGNATURE_WRONG", ecdsa),
  receipt("organisation", "under an organisation's SM2 CA", "valid"),
  receipt("organisation", "ECDSA under an SM2 CA", "RECEIPT_SIGNATURE_WRONG", ecdsa),
  receipt("forged", "under a CA that signs ECDSA on the SM2 curve", "GATEWAY_CHAIN_BAD"),
];

function channelOf(createKey: (algorithm: Algorithm, owner: string) => TestKey): SyntheticChannel {
  return new SyntheticChannel({ createKey });
}

function receipt(
  of: Sm2ReceiptSample["policy"],
  name: string,
  verdict: string,
  sign?: Sign,
): Sm2ReceiptSample {
  const channel = { site, organisation, forged }[of];
  const by = sign === undefined ? channel.device : signingWith(channel.device, sign);
  const bundle = channel.bundle({ by, hash: "sm3" });
  const index = channel.admit(bundle.statement);
  const head = channel.seal();
  const made = channel.receipt(index, head, { disclosed: bundle.disclose(0) });
  return { policy: of, name, verdict, bytes: encodeReceipt(made) };
}

function signingWith(device: Party, sign: Sign): Party {
  return { ...device, key: { ...device.key, sign } };
}

function wrong(name: string, sign: Sign): Sm2Sample {
  return signed(name, sign(sigStructure(part)));
}

function signed(name: string, signature: Uint8Array): Sm2Sample {
  return { name, bytes: encodeSign1({ ...part, signature }), verdict: "SIGNATURE_WRONG" };
}

/** Signed well, with another number of the algorithm in the header. */
function renumbered(name: string, algorithm: number, verdict: string): Sm2Sample {
  const [now, next] = [encodeCbor(-65_538), encodeCbor(algorithm)];
  const at = Buffer.from(part.protectedBytes).indexOf(now);
  const { protectedBytes: header } = part;
  const protectedBytes = concat(header.subarray(0, at), next, header.subarray(at + now.length));
  const changed = { ...part, protectedBytes };
  const signature = sm2DeviceKey.sign(sigStructure(changed));
  return { name, verdict, bytes: encodeSign1({ ...changed, signature }) };
}

function withKid(): Party {
  const kid = thumbprint(nobleCrypto.sha256, { algorithm: "ES256", point });
  return { ...site.device, kid };
}

function nonceFor(message: Uint8Array): Uint8Array {
  return nobleCrypto.sha256(concat(utf8("tamga test vector: forged"), message));
}

function flippedLast(bytes: Uint8Array): Uint8Array {
  return bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1);
}
