/** Statements of a test device with one thing wrong, signed again where the signature is not the matter. */

import type { KeyObject } from "node:crypto";
import { sign } from "node:crypto";
import { constants, createBrotliCompress } from "node:zlib";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Sign1 } from "@tamga/ledger-core/wire/cose";
import { encodeSign1, identityOf, parseSign1, sigStructure } from "@tamga/ledger-core/wire/cose";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import type { Made } from "./test-stream.ts";
import { wrap } from "./test-stream.ts";
import { unwrap } from "./unwrap.ts";

/** Order of the P-256 group (SEC 2 §2.4.2). */
const groupOrder = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same statement under the other valid signature, (r, n − s). */
export function malleated(made: Made): Made {
  const part = unwrap(parseSign1(made.statement));
  const s = BigInt(`0x${Buffer.from(part.signature.subarray(32)).toString("hex")}`);
  const other = Buffer.from((groupOrder - s).toString(16).padStart(64, "0"), "hex");
  return withPart(made, { ...part, signature: concat(part.signature.subarray(0, 32), other) });
}

export function wronglySigned(made: Made): Made {
  const part = unwrap(parseSign1(made.statement));
  const signature = part.signature.slice();
  signature[40] = (signature[40] ?? 0) ^ 1;
  return withPart(made, { ...part, signature });
}

/** The header with one label changed, signed anew. */
export function withHeader(
  made: Made,
  key: KeyObject,
  change: { readonly label: number; readonly value: CborValue },
): Made {
  const part = unwrap(parseSign1(made.statement));
  const header = unwrap(decodeCbor(part.protectedBytes, 1_024));
  if (!(header instanceof Map)) throw new Error("a header is a map");
  const changed = new Map<number, CborValue>();
  for (const [label, value] of header) if (typeof label === "number") changed.set(label, value);
  changed.set(change.label, change.value);
  return resigned(made, key, { ...part, protectedBytes: encodeCbor(changed) });
}

/** The algorithm stands in the header twice: {1: -7, …} becomes {1: -7, 1: -7, …}. */
export function withDuplicateKey(made: Made, key: KeyObject): Made {
  const part = unwrap(parseSign1(made.statement));
  const [head = 0] = part.protectedBytes;
  const pair = part.protectedBytes.subarray(1, 3);
  const protectedBytes = concat(Uint8Array.of(head + 1), pair, part.protectedBytes.subarray(1));
  return resigned(made, key, { ...part, protectedBytes });
}

function resigned(made: Made, key: KeyObject, part: Sign1): Made {
  const options = { key, dsaEncoding: "ieee-p1363" } as const;
  const signature = new Uint8Array(sign("sha256", sigStructure(part), options));
  return withPart(made, { ...part, signature });
}

function withPart(made: Made, part: Sign1): Made {
  const identity = identityOf((bytes) => nodeCrypto.sha256(bytes), part);
  return { ...made, ...wrap(encodeSign1(part), made.body), identity };
}

const blockBytes = 16 * 1_024 * 1_024;

/** Brotli that unpacks to `blocks` × 16 MiB of zeros; 256 of them are 4 GiB in a few kilobytes. */
export async function bomb(blocks: number, declared: number): Promise<EncodedBody> {
  // A block after a flush begins at a byte, and says the same every time: it can be repeated.
  const packer = createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
  const zeros = Buffer.alloc(blockBytes);
  const flushed = async (): Promise<Uint8Array> => {
    packer.write(zeros);
    await new Promise<void>((resolve) => packer.flush(() => resolve()));
    return new Uint8Array(packer.read() ?? new Uint8Array());
  };
  const first = await flushed();
  const next = await flushed();
  packer.destroy();
  const empty = Uint8Array.of(0x03);
  const bytes = concat(first, ...new Array<Uint8Array>(blocks - 1).fill(next), empty);
  return { encoding: "brotli", length: declared, bytes };
}
