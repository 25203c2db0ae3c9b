/** What a node has found out about a statement before: its signature, and what it claims. */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { LaneHeadClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { ParsedStatement, SignatureFault } from "../wire/statement.ts";
import { verifySignedBy } from "../wire/statement.ts";

type Verdict = Result<ParsedStatement, SignatureFault>;

/**
 * Answers as `verifyStatement` and `parseGatewayClaims` do. It holds on to nothing: a statement that is no
 * longer kept is asked about anew. Answers depend on the statement's bytes and the key, and on no time.
 */
export class StatementMemory {
  readonly #crypto: CryptoPort;
  readonly #verdicts = new WeakMap<ParsedStatement, { key: PublicKey; verdict: Verdict }>();
  readonly #kids = new WeakMap<PublicKey, Digest>();
  readonly #heads = new WeakMap<ParsedStatement, Result<LaneHeadClaims, FieldFault>>();

  constructor(crypto: CryptoPort) {
    this.#crypto = crypto;
  }

  verify(statement: ParsedStatement, key: PublicKey): Verdict {
    const known = this.#verdicts.get(statement);
    if (known !== undefined && sameKey(known.key, key)) return known.verdict;
    const verdict = verifySignedBy(this.#crypto, statement, { key, kid: this.#kidOf(key) });
    this.#verdicts.set(statement, { key, verdict });
    return verdict;
  }

  laneHead(statement: ParsedStatement): Result<LaneHeadClaims, FieldFault> {
    const known = this.#heads.get(statement);
    if (known !== undefined) return known;
    const parsed = parseGatewayClaims("lane-head", statement.claims);
    this.#heads.set(statement, parsed);
    return parsed;
  }

  #kidOf(key: PublicKey): Digest {
    const known = this.#kids.get(key);
    if (known !== undefined) return known;
    const kid = thumbprint((bytes) => this.#crypto.sha256(bytes), key);
    this.#kids.set(key, kid);
    return kid;
  }
}

function sameKey(a: PublicKey, b: PublicKey): boolean {
  if (a === b) return true;
  if (a.algorithm === "PS256" || b.algorithm === "PS256")
    return a.algorithm === "PS256" && b.algorithm === "PS256" && equal(a.spki, b.spki);
  return a.algorithm === b.algorithm && equal(a.point, b.point);
}
