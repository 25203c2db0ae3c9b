/** Whether two heads prove that a gateway rewrote its lane. Pure: the statement carries all of the proof. */

import { equal, toHex } from "../base/bytes.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { verifyInclusion } from "../log/inclusion-proof.ts";
import { parseCertificate } from "../receipt/x509-certificate.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { Divergence, LaneFaultClaims } from "../wire/governance-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { ChannelChange, Lane, Opening } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { verifyOfficer } from "./officer.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

/** One of the two statements, and the head that it signed. */
type Said = {
  readonly statement: ParsedStatement;
  readonly incarnation: Uint8Array;
  readonly head: TreeHead;
};

export function judgeLaneFault(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const parsed = parseGovernanceClaims("lane-fault", statement.claims);
  if (!parsed.ok) return parsed;
  const claims = parsed.value;
  const lane = state.lane(claims.gateway);
  if (lane === undefined) return err({ code: "LANE_UNKNOWN" });
  if (lane.frozen) return err({ code: "LANE_FROZEN" });
  const reported = verifyReporter(state, statement, given);
  if (!reported.ok) return reported;
  const said = readStatements(state, claims);
  if (!said.ok) return said;
  const [first, second] = said.value;
  const opening = state.openings.get(toHex(second.incarnation));
  if (opening?.gateway !== claims.gateway || !equal(first.incarnation, second.incarnation))
    return err({ code: "LANE_FAULT_OTHER_LANE" });
  const key = keyOf(state, { lane, opening, given });
  if (key === undefined) return err({ code: "LANE_FAULT_KEY_MISSING" });
  for (const [position, { statement: signed }] of said.value.entries()) {
    const verified = state.context.memory.verify(signed, key);
    if (!verified.ok)
      return err({ code: "LANE_FAULT_SIGNATURE_WRONG", position, cause: verified.fault });
  }
  // Anybody can give an ECDSA signature its other form: only the leaf that was ordered is the gateway's word.
  const isOpening = first.statement.header.type === "lane-open";
  if (isOpening && !equal(first.head.root, opening.root))
    return err({ code: "LANE_FAULT_NOT_PROVEN" });
  if (!contradict(state, { first: first.head, second: second.head }, claims.divergence))
    return err({ code: "LANE_FAULT_NOT_PROVEN" });
  if (given.transaction.approvals !== undefined) return err({ code: "APPROVALS_UNEXPECTED" });
  return ok({ type: "lane-frozen", gateway: claims.gateway });
}

/** A validator, a gateway with an open lane, or an organisation: the proof itself asks for nobody. */
function verifyReporter(
  state: ChannelState,
  statement: ParsedStatement,
  { time }: TransactionGiven,
): Result<unknown, TransactionFault> {
  const { crypto, memory } = state.context;
  const { issuer, kid } = statement.header;
  const validator = state.trust.validators.find(({ name }) => name === issuer);
  if (validator !== undefined) {
    const key: PublicKey = { algorithm: "EdDSA", point: validator.publicKey };
    const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
    if (equal(thumbprint(sha256, key), kid)) return memory.verify(statement, key);
  }
  const lane = state.lane(issuer);
  if (lane !== undefined && equal(lane.kid, kid)) return verifyOpenLane(state, statement, lane);
  return verifyOfficer(state, statement, { chain: [], time });
}

/** That a gateway whose lane is in good standing signed this. */
export function verifyOpenLane(
  state: ChannelState,
  statement: ParsedStatement,
  lane: Lane,
): Result<unknown, TransactionFault> {
  if (lane.frozen) return err({ code: "LANE_FROZEN" });
  if (!state.governance.members.has(lane.organisation))
    return err({ code: "LANE_ORGANISATION_LEFT" });
  if (state.revocations.find(lane.kid) !== undefined) return err({ code: "LANE_KEY_REVOKED" });
  return state.context.memory.verify(statement, lane.key);
}

function readStatements(
  state: ChannelState,
  { first, second, gateway }: LaneFaultClaims,
): Result<readonly [Said, Said], TransactionFault> {
  const read = (bytes: Uint8Array, position: number): Result<Said, TransactionFault> => {
    const parsed = parseStatement(bytes);
    if (!parsed.ok) return err({ code: "LANE_FAULT_STATEMENT_BAD", position, cause: parsed.fault });
    const statement = parsed.value;
    const { type, channel, issuer, subject } = statement.header;
    if (channel !== state.trust.channel || issuer !== gateway || subject !== "lane")
      return err({ code: "LANE_FAULT_OTHER_LANE" });
    if (type === "lane-open" && position === 0) {
      const claims = parseGatewayClaims(type, statement.claims);
      if (!claims.ok)
        return err({ code: "LANE_FAULT_STATEMENT_BAD", position, cause: claims.fault });
      const { incarnation } = claims.value;
      const head = { size: 1n, root: state.context.hasher.leaf(bytes) };
      return ok({ statement, incarnation, head });
    }
    if (type !== "lane-head") return err({ code: "LANE_FAULT_OTHER_LANE" });
    const claims = parseGatewayClaims(type, statement.claims);
    if (!claims.ok) return err({ code: "LANE_FAULT_STATEMENT_BAD", position, cause: claims.fault });
    return ok({ statement, ...claims.value });
  };
  const one = read(first, 0);
  if (!one.ok) return one;
  const other = read(second, 1);
  return other.ok ? ok([one.value, other.value]) : other;
}

/** The key of an incarnation: the open lane's, or that of a certificate beside the statement. */
function keyOf(
  state: ChannelState,
  of: { readonly lane: Lane; readonly opening: Opening; readonly given: TransactionGiven },
): PublicKey | undefined {
  const { lane, opening, given } = of;
  if (equal(opening.kid, lane.kid)) return lane.key;
  const [der] = given.transaction.certificates;
  const certificate = der === undefined ? undefined : parseCertificate(der);
  if (certificate?.ok !== true) return undefined;
  const { publicKey } = certificate.value;
  const kid = thumbprint((bytes) => state.context.crypto.sha256(bytes), publicKey);
  return equal(kid, opening.kid) ? publicKey : undefined;
}

/** Whether no tree has both heads on its way: one size with two roots, or two leaves at one index. */
function contradict(
  state: ChannelState,
  { first, second }: { readonly first: TreeHead; readonly second: TreeHead },
  divergence: Divergence | undefined,
): boolean {
  if (divergence === undefined)
    return first.size === second.size && !equal(first.root, second.root);
  if (equal(divergence.first.leaf, divergence.second.leaf)) return false;
  const holds = (head: TreeHead, { leaf, path }: Divergence["first"]) =>
    verifyInclusion(state.context.hasher, {
      leafIndex: divergence.index,
      treeSize: head.size,
      leafHash: leaf,
      path,
      root: head.root,
    }).ok;
  return holds(first, divergence.first) && holds(second, divergence.second);
}
