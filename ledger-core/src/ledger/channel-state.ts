/**
 * The state of a channel and the validity of what changes it. Pure: validity is a function of the
 * parent state, the transaction and the header's time, so every validator comes to the same end.
 */

import { assertNever, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { verifyGateway } from "../receipt/verify-gateway.ts";
import type { RevocationReason } from "../wire/channel-claims.ts";
import { parseChannelClaims, revocationReasons } from "../wire/channel-claims.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { LaneOpenClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { verifyStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelChange, ChannelContent, Lane } from "./channel-content.ts";
import { emptyChannel } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { LedgerLimits } from "./limits.ts";
import { ledgerLimits } from "./limits.ts";
import { RevocationTree } from "./revocation-tree.ts";
import type { TransactionFault } from "./transaction-fault.ts";

/** `judge` decides and changes nothing, `apply` changes and decides nothing. */
export class ChannelState {
  readonly genesis: ChannelGenesis;
  readonly #crypto: CryptoPort;
  readonly #hasher: TreeHasher;
  readonly #limits: LedgerLimits;
  readonly #lanes: Map<Identifier, Lane>;
  readonly #openings: Set<string>;
  readonly #frozen: Set<Identifier>;
  #revocations: RevocationTree;

  constructor(
    { crypto, genesis }: { readonly crypto: CryptoPort; readonly genesis: ChannelGenesis },
    content: ChannelContent = emptyChannel,
    limits: LedgerLimits = ledgerLimits,
  ) {
    this.genesis = genesis;
    this.#crypto = crypto;
    this.#hasher = treeHasher((bytes) => crypto.sha256(bytes));
    this.#limits = limits;
    this.#lanes = new Map(content.lanes.map((lane) => [lane.gateway, lane]));
    this.#openings = new Set(content.openings.map(toHex));
    this.#frozen = new Set(content.frozen);
    this.#revocations = RevocationTree.of(this.#hasher, content.revocations);
  }

  get lanes(): readonly Lane[] {
    return [...this.#lanes.values()];
  }

  lane(gateway: Identifier): Lane | undefined {
    return this.#lanes.get(gateway);
  }

  isFrozen(gateway: Identifier): boolean {
    return this.#frozen.has(gateway);
  }

  get frozenCount(): number {
    return this.#frozen.size;
  }

  get revocations(): RevocationTree {
    return this.#revocations;
  }

  /**
   * Judges a transaction against this state.
   *
   * @param statement the transaction's statement, parsed.
   * @param time the header's, never a local clock.
   * Faults: {@link TransactionFault}.
   */
  judge(
    statement: ParsedStatement,
    transaction: Transaction,
    { time }: { readonly time: UnixMillis },
  ): Result<ChannelChange, TransactionFault> {
    const { type, channel, subject } = statement.header;
    if (channel !== this.genesis.identity.channel)
      return err({ code: "TRANSACTION_OTHER_CHANNEL", channel });
    switch (type) {
      case "lane-open":
        if (subject !== "lane") return err({ code: "TRANSACTION_SUBJECT_WRONG", subject });
        return this.#judgeLaneOpen(statement, transaction, time);
      case "lane-head":
        if (subject !== "lane") return err({ code: "TRANSACTION_SUBJECT_WRONG", subject });
        return this.#judgeLaneHead(statement, transaction);
      case "device":
        if (subject !== "channel") return err({ code: "TRANSACTION_SUBJECT_WRONG", subject });
        return this.#judgeRevocation(statement);
      case "channel-open":
        return err({ code: "CHANNEL_ALREADY_OPEN" });
      case "bundle":
      case "gap":
      case "start":
      case "heartbeat":
      case "rejection":
        return err({ code: "TRANSACTION_TYPE_REFUSED", type });
      default:
        return assertNever(type);
    }
  }

  /** Makes the change of a transaction that `judge` accepted in this state. */
  apply(change: ChannelChange, index: bigint): void {
    switch (change.type) {
      case "lane-opened":
        this.#lanes.set(change.lane.gateway, { ...change.lane, index });
        this.#openings.add(toHex(change.lane.incarnation));
        return;
      case "lane-grown": {
        const lane = present(this.#lanes.get(change.gateway), "lane that grew");
        this.#lanes.set(change.gateway, { ...lane, head: change.head, index });
        return;
      }
      case "key-revoked":
        this.#revocations = this.#revocations.with(change.revoked);
        return;
      default:
        assertNever(change);
    }
  }

  /** From LANE_HEAD_INCONSISTENT on nothing more of this gateway is ordered. */
  freeze(gateway: Identifier): void {
    this.#frozen.add(gateway);
  }

  #judgeLaneOpen(
    statement: ParsedStatement,
    transaction: Transaction,
    at: UnixMillis,
  ): Result<ChannelChange, TransactionFault> {
    const { issuer: gateway, kid } = statement.header;
    const parsed = parseGatewayClaims("lane-open", statement.claims);
    if (!parsed.ok) return parsed;
    const claims = parsed.value;
    const chain = transaction.certificates;
    const verified = verifyGateway(this.#crypto, this.genesis.policy, { gateway, chain, at });
    if (!verified.ok) return verified;
    const { key, organisation, validityNotes } = verified.value;
    const signed = verifyStatement(this.#crypto, statement, key);
    if (!signed.ok) return signed;
    const fault = this.#judgeOpening(claims, { gateway, organisation, kid });
    if (fault !== undefined) return err(fault);
    const head = { size: 1n, root: this.#hasher.leaf(transaction.statement) };
    const lane = {
      gateway,
      organisation,
      key,
      kid,
      certificate: present(chain[0], "the gateway's certificate"),
      incarnation: claims.incarnation,
      head,
    };
    return ok({ type: "lane-opened", lane, validityNotes });
  }

  #judgeOpening(
    claims: LaneOpenClaims,
    by: { readonly gateway: Identifier; readonly organisation: Identifier; readonly kid: Digest },
  ): TransactionFault | undefined {
    const { lanesMax, laneOpeningsMax } = this.#limits;
    if (!equal(claims.channelId, this.genesis.identity.id))
      return { code: "LANE_OPEN_OTHER_CHANNEL" };
    if (this.isFrozen(by.gateway)) return { code: "LANE_FROZEN" };
    if (this.#revocations.find(by.kid) !== undefined) return { code: "LANE_KEY_REVOKED" };
    if (this.#openings.has(toHex(claims.incarnation))) return { code: "LANE_INCARNATION_USED" };
    if (this.#openings.size >= laneOpeningsMax)
      return { code: "LANE_OPENINGS_FULL", limit: laneOpeningsMax };
    const { predecessor } = claims;
    const lane = this.#lanes.get(by.gateway);
    if (lane === undefined) {
      if (this.#lanes.size >= lanesMax) return { code: "LANES_FULL", limit: lanesMax };
      // A channel that was opened anew cannot know what its predecessor ordered last.
      const unknowable = this.genesis.claims.predecessor !== undefined;
      return predecessor === undefined || unknowable
        ? undefined
        : { code: "LANE_PREDECESSOR_MISMATCH" };
    }
    if (lane.organisation !== by.organisation) return { code: "LANE_OTHER_ORGANISATION" };
    const names =
      predecessor !== undefined &&
      equal(predecessor.incarnation, lane.incarnation) &&
      sameHead(predecessor.head, lane.head);
    return names ? undefined : { code: "LANE_PREDECESSOR_MISMATCH", head: lane.head };
  }

  #judgeLaneHead(
    statement: ParsedStatement,
    transaction: Transaction,
  ): Result<ChannelChange, TransactionFault> {
    const { issuer: gateway } = statement.header;
    const lane = this.#lanes.get(gateway);
    if (lane === undefined) return err({ code: "LANE_UNKNOWN" });
    const signed = verifyStatement(this.#crypto, statement, lane.key);
    if (!signed.ok) return signed;
    const parsed = parseGatewayClaims("lane-head", statement.claims);
    if (!parsed.ok) return parsed;
    const { incarnation, head, revocations } = parsed.value;
    if (this.isFrozen(gateway)) return err({ code: "LANE_FROZEN" });
    if (this.#revocations.find(lane.kid) !== undefined) return err({ code: "LANE_KEY_REVOKED" });
    if (!equal(incarnation, lane.incarnation)) return err({ code: "LANE_INCARNATION_NOT_OPEN" });
    if (head.size > this.#limits.laneSizeMax)
      return err({ code: "LANE_HEAD_TOO_LARGE", limit: this.#limits.laneSizeMax });
    if (head.size === lane.head.size && !equal(head.root, lane.head.root))
      return err({ code: "LANE_HEAD_INCONSISTENT", head: lane.head });
    if (head.size <= lane.head.size)
      return err({ code: "LANE_HEAD_NOT_GROWN", size: head.size, last: lane.head.size });
    const current = this.#revocations.head;
    if (!sameHead(revocations, current))
      return err({ code: "LANE_HEAD_STALE_REVOCATIONS", current });
    const consistent = verifyConsistency(this.#hasher, {
      size1: lane.head.size,
      size2: head.size,
      root1: lane.head.root,
      root2: head.root,
      path: transaction.consistency,
    });
    if (!consistent.ok)
      return err({ code: "LANE_HEAD_PROOF_WRONG", cause: consistent.fault, last: lane.head });
    return ok({ type: "lane-grown", gateway, head });
  }

  #judgeRevocation(statement: ParsedStatement): Result<ChannelChange, TransactionFault> {
    const { issuer } = statement.header;
    const cas = this.genesis.policy.trustedCas.filter((ca) => ca.name === issuer);
    if (cas.length === 0) return err({ code: "ORGANISATION_UNKNOWN", name: issuer });
    if (!cas.some((ca) => verifyStatement(this.#crypto, statement, ca.certificate.publicKey).ok))
      return err({ code: "SIGNATURE_WRONG" });
    const parsed = parseChannelClaims("device", statement.claims);
    if (!parsed.ok) return parsed;
    const { device, kid, reason, since } = parsed.value;
    const revoked = { kid, reason: revocationReasons.indexOf(reason), since: BigInt(since) };
    const known = this.#revocations.find(kid);
    if (known !== undefined && !worsens(revoked, known))
      return err({ code: "KEY_REVOKED", revoked: known });
    const { revocationsMax } = this.#limits;
    if (known === undefined && this.#revocations.entries.length >= revocationsMax)
      return err({ code: "REVOCATIONS_FULL", limit: revocationsMax });
    return ok({ type: "key-revoked", device, revoked });
  }
}

/**
 * A revocation may be made worse and never better: a retired key turns out to be compromised, or
 * compromised since an earlier time.
 */
function worsens(next: RevokedKey, known: RevokedKey): boolean {
  if (next.reason !== compromised) return false;
  return known.reason !== compromised || next.since < known.since;
}

const compromised = revocationReasons.indexOf("compromised" satisfies RevocationReason);

function sameHead(a: TreeHead, b: TreeHead): boolean {
  return a.size === b.size && equal(a.root, b.root);
}
