/** What came down to a test device, verified by the receipt rules alone. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import type { EpochChain } from "@tamga/ledger-core/receipt/epoch-chain";
import { epochsOfPolicy, epochsUpTo, extendEpochs } from "@tamga/ledger-core/receipt/epoch-chain";
import type { EpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import { parseEpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type { VerifiedGateway } from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyRejection } from "@tamga/ledger-core/receipt/verify-gateway";
import type { VerifiedLaneHead } from "@tamga/ledger-core/receipt/verify-lane-head";
import { verifyLaneHead } from "@tamga/ledger-core/receipt/verify-lane-head";
import { verifyProofMessage, verifyProvisional } from "@tamga/ledger-core/receipt/verify-proof";
import type {
  CertificateMessage,
  HeadMessage,
  ProofMessage,
  WantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import {
  parseCertificateMessage,
  parseHeadMessage,
  parseProofMessage,
  parseWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { RejectionClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import type { Made } from "./test-stream.ts";
import { unwrap } from "./unwrap.ts";

/** What the device has verified about a statement that it sent; later answers replace earlier. */
export type Answer =
  | { readonly kind: "provisional"; readonly leafIndex: bigint }
  | { readonly kind: "final"; readonly leafIndex: bigint; readonly head: VerifiedLaneHead }
  | { readonly kind: "rejected"; readonly final: boolean; readonly rejection: RejectionClaims };

export type Received = {
  readonly want: WantMessage[];
  readonly head: HeadMessage[];
  readonly proof: ProofMessage[];
  readonly certificate: CertificateMessage[];
  readonly epochs: EpochsMessage[];
};

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));

export class VerifiedDownlink {
  readonly #policy: TrustPolicy;
  /** Everything that came down, parsed, oldest first. */
  readonly received: Received = { want: [], head: [], proof: [], certificate: [], epochs: [] };
  /** Rejections that verified, oldest first. */
  readonly rejections: RejectionClaims[] = [];
  readonly #sent = new Map<string, Made>();
  readonly #answers = new Map<string, Answer>();
  /** Provisional proofs that came before the first head, which brings the gateway's certificate. */
  readonly #early: ProofMessage[] = [];
  #head: VerifiedLaneHead | undefined;
  /** Heads after the first one of a connection leave the gateway's chain out. */
  #chain: readonly Uint8Array[] = [];
  #gateway: VerifiedGateway | undefined;
  #epochs: EpochChain;

  constructor(policy: TrustPolicy) {
    this.#policy = policy;
    this.#epochs = epochsOfPolicy(policy);
  }

  /** Proofs can speak of this statement from now on. */
  remember(made: Made): void {
    this.#sent.set(keyOf(made.incarnation, made.range.first), made);
  }

  /** The newest verified answer about a statement, or about what could not be read, by its digest. */
  answerOf(identity: Digest): Answer | undefined {
    return this.#answers.get(toHex(identity));
  }

  /** The line is gone, and with it what would have come on it. */
  forgetEarly(): void {
    this.#early.length = 0;
  }

  /** Takes a message; throws where it does not verify. */
  take(kind: DownlinkKind, payload: Uint8Array): void {
    if (kind === "want") this.received.want.push(unwrap(parseWantMessage(payload)));
    else if (kind === "certificate") {
      this.received.certificate.push(unwrap(parseCertificateMessage(payload)));
    } else if (kind === "epochs") {
      const message = unwrap(parseEpochsMessage(payload));
      this.received.epochs.push(message);
      const known = epochsUpTo(this.#epochs, message.from);
      const further = { known, boundaries: message.boundaries };
      this.#epochs = unwrap(extendEpochs(nodeCrypto, this.#policy, further));
    } else if (kind === "head") {
      const head = unwrap(parseHeadMessage(payload));
      this.received.head.push(head);
      if (head.gatewayChain.length > 0) this.#chain = head.gatewayChain;
      const whole = { ...head, gatewayChain: this.#chain };
      this.#head = unwrap(verifyLaneHead(nodeCrypto, this.#policy, whole, this.#epochs));
      this.#gateway = this.#head.gateway;
      for (const early of this.#early.splice(0)) this.#takeProof(early);
    } else {
      const proof = unwrap(parseProofMessage(payload));
      this.received.proof.push(proof);
      this.#takeProof(proof);
    }
  }

  #takeProof(proof: ProofMessage): void {
    const gateway = this.#gateway;
    if (proof.signature !== undefined && gateway === undefined) {
      this.#early.push(proof);
      return;
    }
    const leafHashes = proof.entries.map((entry): Digest => {
      if (entry.rejection !== undefined) return hasher.leaf(entry.rejection);
      const made = this.#sent.get(keyOf(entry.incarnation, entry.first));
      return present(made, "statement that a proof speaks of").leafHash;
    });
    const final = proof.signature === undefined;
    const head = this.#head;
    const verified = final
      ? verifyProofMessage(nodeCrypto, present(head, "head before its proof"), {
          proof,
          leafHashes,
        })
      : verifyProvisional(nodeCrypto, this.#policy, {
          proof,
          leafHashes,
          gateway: present(gateway, "gateway"),
        });
    for (const entry of unwrap(verified).entries) {
      if (entry.rejection !== undefined) this.#takeRejection(entry.rejection, final);
      else {
        const made = present(this.#sent.get(keyOf(entry.incarnation, entry.first)), "statement");
        const { leafIndex } = entry;
        if (final) {
          const by = present(head, "head");
          this.#answers.set(toHex(made.identity), { kind: "final", leafIndex, head: by });
        } else if (this.answerOf(made.identity)?.kind !== "final") {
          this.#answers.set(toHex(made.identity), { kind: "provisional", leafIndex });
        }
      }
    }
  }

  #takeRejection(bytes: Uint8Array, final: boolean): void {
    const gateway = present(this.#gateway, "gateway");
    const rejection = unwrap(
      verifyRejection(nodeCrypto, this.#policy, { rejection: bytes, gateway }),
    );
    this.rejections.push(rejection);
    this.#answers.set(toHex(rejection.refused), { kind: "rejected", final, rejection });
  }
}

function keyOf(incarnation: Uint8Array, first: bigint): string {
  return `${toHex(incarnation)}/${first}`;
}
