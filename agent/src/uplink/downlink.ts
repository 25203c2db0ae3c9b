/**
 * Judges what a gateway sends: a head by the trust policy and by the newest checkpoint that was verified
 * before, a proof under a judged head or gateway, a refusal by its signature and by what it refuses.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import type {
  GatewayFault,
  RejectionFault,
  VerifiedGateway,
} from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyGateway, verifyRejection } from "@tamga/ledger-core/receipt/verify-gateway";
import type {
  HeadConsistencyFault,
  LaneHeadFault,
  VerifiedLaneHead,
} from "@tamga/ledger-core/receipt/verify-lane-head";
import { verifyConsistencyFrom, verifyLaneHead } from "@tamga/ledger-core/receipt/verify-lane-head";
import type {
  FinalProofFault,
  ProvisionalProofFault,
} from "@tamga/ledger-core/receipt/verify-proof";
import { verifyProofMessage, verifyProvisional } from "@tamga/ledger-core/receipt/verify-proof";
import type { ResultStatementFault } from "@tamga/ledger-core/receipt/verify-result";
import { verifyResultStatement } from "@tamga/ledger-core/receipt/verify-result";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type {
  HeadMessage,
  ProofEntry,
  ProofMessage,
  ResultMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { ResultClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { laneOrigin } from "@tamga/ledger-core/wire/log-origin";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { KnownEpochs } from "./known-epochs.ts";
import { gatewayChainsMax, laneHeadsMax } from "./limits.ts";
import type { SentStatement } from "./sent-digests.ts";
import { SentDigests } from "./sent-digests.ts";

/** What is known of an own statement. */
export type HeldStatement = {
  readonly id: number;
  readonly identity: Digest;
  /** The hash of its leaf in a lane, over the bytes that are stored here. */
  readonly leaf: Digest;
};

export type DownlinkPorts<S extends HeldStatement> = {
  readonly crypto: CryptoPort;
  readonly policy: TrustPolicy;
  /** The validators that came after the policy's. */
  readonly epochs: Pick<KnownEpochs, "chain">;
  readonly device: Identifier;
  readonly find: (incarnation: Uint8Array, first: bigint) => S | undefined;
  /** The newest checkpoint that was verified in an earlier run. */
  readonly checkpoint: TreeHead | undefined;
};

export type HeadFault =
  | LaneHeadFault
  | Exclude<HeadConsistencyFault, { code: "HEAD_CONSISTENCY_WRONG" }>
  /** Two sealed histories of one channel that cannot both be true: a person must act. */
  | { readonly code: "LEDGER_FORK"; readonly known: TreeHead; readonly shown: TreeHead };

export type ProofRefusal =
  | FinalProofFault
  | ProvisionalProofFault
  | RejectionFault
  | { readonly code: "PROOF_STATEMENT_UNKNOWN" }
  | { readonly code: "PROOF_HEAD_UNKNOWN" }
  | { readonly code: "PROOF_GATEWAY_UNKNOWN" }
  | { readonly code: "REJECTION_OF_ANOTHER" };

/** A head that was accepted. `checkpoint` is to be remembered where it is newer. */
export type AcceptedHead = {
  readonly gateway: Identifier;
  readonly gatewayChain: readonly Uint8Array[];
  readonly checkpoint: TreeHead;
};

/** Statements that a proof settles, or provisionally covers. */
export type AcceptedProof<S extends HeldStatement> = {
  readonly final: boolean;
  readonly accepted: readonly S[];
  readonly refused: readonly {
    readonly statement: S;
    readonly rejection: Uint8Array;
    readonly code: string;
  }[];
  /** The sealed checkpoint that it hangs on; of a final one only. */
  readonly checkpoint?: TreeHead;
};

/** A gateway's result statement about this device. */
export type AcceptedResult = {
  readonly identity: Digest;
  readonly bytes: Uint8Array;
  readonly claims: ResultClaims;
};

export type ResultRefusal =
  | ResultStatementFault
  | GatewayFault
  /** It came without a chain, and its gateway's key is not known yet. */
  | { readonly code: "RESULT_GATEWAY_UNKNOWN" }
  | { readonly code: "RESULT_OF_ANOTHER" };

type JudgedEntry<S> = {
  /** Undefined for the refusal of something that was not sent lately: it frees nothing. */
  readonly statement: S | undefined;
  readonly leaf: Digest;
  readonly refusal?: { readonly rejection: Uint8Array; readonly code: string };
};

export class Downlink<S extends HeldStatement> {
  readonly #ports: DownlinkPorts<S>;
  readonly #leafOf: (entry: Uint8Array) => Digest;
  readonly #sent: SentDigests;
  /** Newest verified head of each lane incarnation, the least recently shown first. */
  readonly #heads = new Map<string, VerifiedLaneHead>();
  readonly #gateways = new Map<Identifier, VerifiedGateway>();
  /** Of the last head that brought one: heads after it on a connection leave it out. */
  #chain: readonly Uint8Array[] = [];
  #newest: TreeHead | undefined;

  constructor(ports: DownlinkPorts<S>) {
    this.#ports = ports;
    this.#newest = ports.checkpoint;
    const hasher = treeHasher((bytes) => ports.crypto.sha256(bytes));
    this.#leafOf = (entry) => hasher.leaf(entry);
    this.#sent = new SentDigests((bytes) => ports.crypto.sha256(bytes));
  }

  /** Remembers what is sent now: its refusal may name nothing but a digest. */
  sent(statement: SentStatement): void {
    this.#sent.add(statement);
  }

  /** The newest checkpoint that was verified. */
  get checkpoint(): TreeHead | undefined {
    return this.#newest;
  }

  /** Takes a chain that an accepted head brought in an earlier run; a bad one is forgotten. */
  rememberGateway(gateway: Identifier, chain: readonly Uint8Array[]): void {
    const { crypto, policy } = this.#ports;
    const verified = verifyGateway(crypto, policy, { gateway, chain });
    if (verified.ok) this.#gateways.set(gateway, verified.value);
  }

  /** Faults: RESULT_*, GATEWAY_*. Whether it stands in a lane shows once somebody asks for its receipt. */
  result(message: ResultMessage): Result<AcceptedResult, ResultRefusal> {
    const { crypto, policy, device } = this.#ports;
    const statement = parseStatement(message.result);
    if (!statement.ok) return err({ code: "RESULT_MALFORMED", cause: statement.fault });
    const { issuer } = statement.value.header;
    if (message.gatewayChain.length > 0) {
      const chain = message.gatewayChain;
      const shown = verifyGateway(crypto, policy, { gateway: issuer, chain });
      if (!shown.ok) return shown;
      if (this.#gateways.size < gatewayChainsMax || this.#gateways.has(issuer))
        this.#gateways.set(issuer, shown.value);
    }
    const gateway = this.#gateways.get(issuer);
    if (gateway === undefined) return err({ code: "RESULT_GATEWAY_UNKNOWN" });
    const bytes = message.result;
    const verified = verifyResultStatement(crypto, policy, { gateway, result: bytes });
    if (!verified.ok) return verified;
    const { claims, identity } = verified.value;
    if (claims.device !== device) return err({ code: "RESULT_OF_ANOTHER" });
    return ok({ identity, bytes, claims });
  }

  /** Faults: those of `verifyLaneHead`, HEAD_CONSISTENCY_MISSING/_OTHER_SIZE, LEDGER_FORK. */
  head(message: HeadMessage): Result<AcceptedHead, HeadFault> {
    const { crypto, policy, epochs } = this.#ports;
    const gatewayChain = message.gatewayChain.length > 0 ? message.gatewayChain : this.#chain;
    const evidence = { ...message, gatewayChain };
    const verified = verifyLaneHead(crypto, policy, evidence, epochs.chain);
    if (!verified.ok) return verified;
    this.#chain = gatewayChain;
    const head = verified.value;
    const linked = this.#link(head, message.consistency);
    if (!linked.ok) return linked;
    this.#heads.delete(head.lane.origin);
    this.#heads.set(head.lane.origin, head);
    if (this.#heads.size > laneHeadsMax) {
      this.#heads.delete(present(this.#heads.keys().next().value, "oldest head"));
    }
    const checkpoint = linked.value;
    if (this.#newest === undefined || checkpoint.size > this.#newest.size)
      this.#newest = checkpoint;
    const { gateway } = head.gateway;
    this.#gateways.set(gateway, head.gateway);
    return ok({ gateway, gatewayChain, checkpoint });
  }

  /** Faults: PROOF_*, REJECTION_*. One entry that cannot be judged refuses the whole. */
  proof(message: ProofMessage): Result<AcceptedProof<S>, ProofRefusal> {
    const { crypto, policy } = this.#ports;
    const { signature } = message;
    const head = this.#heads.get(laneOrigin({ ...policy, ...message }));
    const gateway = signature === undefined ? head?.gateway : this.#gateways.get(message.gateway);
    if (gateway === undefined) {
      const code = signature === undefined ? "PROOF_HEAD_UNKNOWN" : "PROOF_GATEWAY_UNKNOWN";
      return err({ code });
    }
    const entries: JudgedEntry<S>[] = [];
    for (const entry of message.entries) {
      const judged = this.#judgeEntry(entry, gateway);
      if (!judged.ok) return judged;
      entries.push(judged.value);
    }
    const evidence = { proof: message, leafHashes: entries.map(({ leaf }) => leaf) };
    const verified =
      signature === undefined
        ? verifyProofMessage(crypto, present(head, "head of the lane"), evidence)
        : verifyProvisional(crypto, policy, { ...evidence, gateway });
    if (!verified.ok) return verified;
    const { final } = verified.value;
    return ok({
      final,
      accepted: entries.flatMap(({ statement, refusal }) =>
        refusal === undefined && statement !== undefined ? [statement] : [],
      ),
      refused: entries.flatMap(({ statement, refusal }) =>
        refusal === undefined || statement === undefined ? [] : [{ statement, ...refusal }],
      ),
      ...(final ? { checkpoint: present(head, "head of the lane").seal.head } : {}),
    });
  }

  /**
   * A checkpoint older than the newest known one needs no path: it brings no new history, and its quorum
   * was checked. At the same size the roots must agree.
   */
  #link(
    head: VerifiedLaneHead,
    consistency: HeadMessage["consistency"],
  ): Result<TreeHead, HeadFault> {
    const { size, root } = head.seal.head;
    const known = this.#newest;
    if (known === undefined || size < known.size) return ok({ size, root });
    if (size === known.size) {
      return equal(root, known.root)
        ? ok(known)
        : err({ code: "LEDGER_FORK", known, shown: { size, root } });
    }
    const verified = verifyConsistencyFrom(this.#ports.crypto, known, { head, consistency });
    if (verified.ok) return verified;
    const { fault } = verified;
    return fault.code === "HEAD_CONSISTENCY_WRONG"
      ? err({ code: "LEDGER_FORK", known, shown: { size, root } })
      : err(fault);
  }

  #judgeEntry(entry: ProofEntry, gateway: VerifiedGateway): Result<JudgedEntry<S>, ProofRefusal> {
    const { find } = this.#ports;
    const { rejection } = entry;
    const isPlaced = entry.incarnation.some((byte) => byte !== 0);
    if (rejection === undefined || isPlaced) {
      const statement = find(entry.incarnation, entry.first);
      if (statement === undefined) return err({ code: "PROOF_STATEMENT_UNKNOWN" });
      if (rejection === undefined) return ok({ statement, leaf: statement.leaf });
      return this.#judgeRefusal(rejection, gateway, (refused) =>
        equal(refused, statement.identity) ? ok(statement) : err({ code: "REJECTION_OF_ANOTHER" }),
      );
    }
    return this.#judgeRefusal(rejection, gateway, (refused) => {
      const place = this.#sent.find(refused);
      return ok(place === undefined ? undefined : find(place.incarnation, place.first));
    });
  }

  #judgeRefusal(
    rejection: Uint8Array,
    gateway: VerifiedGateway,
    statementOf: (refused: Digest) => Result<S | undefined, ProofRefusal>,
  ): Result<JudgedEntry<S>, ProofRefusal> {
    const { crypto, policy, device } = this.#ports;
    const verified = verifyRejection(crypto, policy, { gateway, rejection });
    if (!verified.ok) return verified;
    const { refused, device: refusedDevice, code } = verified.value;
    if (refusedDevice !== device) return err({ code: "REJECTION_OF_ANOTHER" });
    const statement = statementOf(refused);
    if (!statement.ok) return statement;
    const refusal = { rejection, code };
    return ok({ statement: statement.value, leaf: this.#leafOf(rejection), refusal });
  }
}
