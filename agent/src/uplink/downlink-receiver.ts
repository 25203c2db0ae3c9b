/** Takes a gateway's messages in, in their order: has them judged, and marks what was proved. */

import { assertNever } from "@tamga/ledger-core/base/assert";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { parseEpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import type { HeadMessage, ProofMessage } from "@tamga/ledger-core/wire/downlink-message";
import {
  parseCertificateMessage,
  parseChallengeMessage,
  parseHeadMessage,
  parseProofMessage,
  parseResultMessage,
  parseWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import { parseRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { parseTopic } from "@tamga/ledger-core/wire/topic";
import { eventOf } from "../agent-event.ts";
import type { StoredStatement } from "../outbox/sending.ts";
import type { AcceptedProof, HeadFault, ProofRefusal } from "./downlink.ts";
import type { HaveExchange } from "./have-exchange.ts";
import type { EpochsRefusal } from "./known-epochs.ts";
import { askAgainMsMin } from "./limits.ts";
import type { SessionOptions, SessionPort } from "./session-options.ts";

export class DownlinkReceiver {
  readonly #options: SessionOptions;
  readonly #port: SessionPort;
  readonly #exchange: HaveExchange;
  #answered = false;
  #insistedAt: MonotonicMillis | undefined;

  constructor(options: SessionOptions, port: SessionPort, exchange: HaveExchange) {
    this.#options = options;
    this.#port = port;
    this.#exchange = exchange;
  }

  /** Whether the gateway gave an answer that shows that it works with this device. */
  get answered(): boolean {
    return this.#answered;
  }

  /** What is not for us, malformed or not proved is counted and logged, and changes nothing. */
  received(topic: string, payload: Uint8Array): void {
    const parsed = parseTopic(topic);
    const { device, channel } = this.#options.identity.address;
    if (parsed?.direction !== "down" || parsed.device !== device || parsed.channel !== channel) {
      this.#options.state.refusedDownlink("DOWNLINK_TOPIC_FOREIGN");
      return;
    }
    const { kind } = parsed;
    switch (kind) {
      case "want":
        this.#port.watch(this.#want(payload));
        break;
      case "head":
        this.#head(payload);
        break;
      case "proof":
        this.#proof(payload);
        break;
      case "certificate":
        this.#certificate(payload);
        break;
      case "epochs":
        this.#port.watch(this.#epochs(payload));
        break;
      case "renewed":
        this.#port.watch(this.#renewed(payload));
        break;
      case "challenge":
        this.#challenge(payload);
        break;
      case "result":
        this.#result(payload);
        break;
      default:
        assertNever(kind);
    }
  }

  async #want(payload: Uint8Array): Promise<void> {
    const { state, clock } = this.#options;
    const parsed = parseWantMessage(payload);
    if (!parsed.ok) {
      state.refusedDownlink(parsed.fault.code, { kind: "want" });
      return;
    }
    const answer = await this.#exchange.answer(parsed.value);
    if (answer === undefined) {
      state.refusedDownlink("WANT_OTHER_EXCHANGE");
      return;
    }
    this.#answered = true;
    if (!this.#port.isOpen()) return;
    this.#port.step({ type: "want", at: clock.monotonic(), all: parsed.value.all, ...answer });
  }

  #head(payload: Uint8Array): void {
    const { state, downlink, chains, outbox } = this.#options;
    const parsed = parseHeadMessage(payload);
    if (!parsed.ok) {
      state.refusedDownlink(parsed.fault.code, { kind: "head" });
      return;
    }
    const judged = downlink.head(parsed.value);
    if (!judged.ok) {
      this.#refuseHead(judged.fault, parsed.value);
      return;
    }
    const { gateway, gatewayChain, checkpoint } = judged.value;
    chains.keep(gateway, gatewayChain);
    this.#port.watch(outbox.rememberCheckpoint(checkpoint));
  }

  #refuseHead(fault: HeadFault, { gatewayChain }: HeadMessage): void {
    const { state } = this.#options;
    if (fault.code === "LEDGER_FORK") {
      const { known, shown } = fault;
      state.alarm(
        "LEDGER_FORK",
        "The gateway shows a sealed history that contradicts the one known before: nothing is " +
          "freed on it. Leave this device as it is and call whoever runs the consortium.",
        {
          knownSize: String(known.size),
          knownRoot: toHex(known.root),
          shownSize: String(shown.size),
          shownRoot: toHex(shown.root),
        },
      );
      return;
    }
    const cause = "cause" in fault ? { cause: fault.cause.code } : {};
    state.refusedDownlink(fault.code, { kind: "head", ...cause });
    // Asking again tells the gateway which checkpoint is known here, and brings its chain again.
    const lacksChain =
      gatewayChain.length === 0 &&
      (fault.code === "GATEWAY_CHAIN_BAD" || fault.code === "GATEWAY_NAME_MISMATCH");
    if (
      lacksChain ||
      fault.code === "HEAD_CONSISTENCY_MISSING" ||
      fault.code === "HEAD_CONSISTENCY_OTHER_SIZE"
    )
      this.#puzzled();
  }

  #proof(payload: Uint8Array): void {
    const { state, downlink } = this.#options;
    const parsed = parseProofMessage(payload);
    if (!parsed.ok) {
      state.refusedDownlink(parsed.fault.code, { kind: "proof" });
      return;
    }
    const judged = downlink.proof(parsed.value);
    if (judged.ok) this.#port.watch(this.#settle(judged.value));
    else this.#refuseProof(judged.fault, parsed.value);
  }

  #refuseProof({ code }: ProofRefusal, { entries }: ProofMessage): void {
    // Before a gateway's first head nobody can know its key: the final receipt will do.
    if (code === "PROOF_GATEWAY_UNKNOWN") return;
    this.#options.state.refusedDownlink(code, { kind: "proof" });
    const contradicts = code === "PROOF_NOT_IN_LANE" || code === "REJECTION_OF_ANOTHER";
    if (contradicts) this.#port.watch(this.#insist(entries));
    if (contradicts || code === "PROOF_STATEMENT_UNKNOWN" || code === "PROOF_HEAD_UNKNOWN")
      this.#puzzled();
  }

  /**
   * The gateway holds another statement in the place of one of these, as after a card's image was put
   * back, and so wants ours no more. It gets them once more: what it has it knows again, and what
   * contradicts it refuses by name. A proved one is left alone, since its body may have been given up;
   * for it the next answer will do, which speaks of the contradicting ones no more.
   */
  async #insist(entries: ProofMessage["entries"]): Promise<void> {
    const { outbox, clock } = this.#options;
    const now = clock.monotonic();
    if (this.#insistedAt !== undefined && now - this.#insistedAt < askAgainMsMin) return;
    this.#insistedAt = now;
    const open = entries.flatMap(({ incarnation, first }) => {
      const statement = outbox.find(incarnation, first);
      return statement?.state === "pending" ? [statement] : [];
    });
    await outbox.requeue(
      open.map(({ stream, incarnation, range }) => ({ stream, incarnation, ranges: [range] })),
    );
  }

  async #settle(proof: AcceptedProof<StoredStatement>): Promise<void> {
    const { outbox, state, events } = this.#options;
    const { accepted, refused, checkpoint } = proof;
    const ids = accepted.map(({ id }) => id);
    if (checkpoint === undefined) {
      const fresh = accepted.filter((statement) => statement.state === "pending");
      await outbox.markProvisional(ids);
      state.counts.provisional += fresh.length;
      for (const statement of fresh) events(eventOf("provisional", statement));
      return;
    }
    await outbox.markFinal(ids, checkpoint);
    const fresh = accepted.filter((statement) => isOpen(statement));
    state.counts.final += fresh.length;
    for (const statement of fresh) events(eventOf("final", statement));
    await this.#settleRefused(refused);
    const settled = [...ids, ...refused.map(({ statement }) => statement.id)];
    this.#port.step({ type: "settled", ids: settled });
  }

  async #settleRefused(refused: AcceptedProof<StoredStatement>["refused"]): Promise<void> {
    if (refused.length === 0) return;
    const { outbox, state, logger, events } = this.#options;
    await outbox.markRejected(
      refused.map(({ statement, rejection }) => ({ id: statement.id, rejection })),
    );
    for (const { statement, code } of refused) {
      if (!isOpen(statement)) continue;
      const { stream, range } = statement;
      state.counts.rejected++;
      events(eventOf("rejected", statement, code));
      logger.error(
        {
          event: "statement.rejected",
          code,
          stream,
          first: String(range.first),
          count: range.count,
        },
        "the gateway refused a statement",
      );
    }
  }

  #certificate(payload: Uint8Array): void {
    const { state, identity, logger } = this.#options;
    const parsed = parseCertificateMessage(payload);
    const renewed = parsed.ok ? identity.renew(parsed.value) : parsed;
    if (!renewed.ok) {
      state.refusedDownlink(renewed.fault.code, { kind: "certificate" });
      return;
    }
    const { notAfter } = renewed.value.signing;
    logger.info({ event: "certificate.renewed", notAfter }, "certificates renewed");
    this.#answered = true;
    this.#port.step({ type: "renewed" });
  }

  /** The answer to a request for another signing key, with which the next connection begins. */
  async #renewed(payload: Uint8Array): Promise<void> {
    const { state, rotation } = this.#options;
    const parsed = parseRenewedMessage(payload);
    if (!parsed.ok) state.refusedDownlink(parsed.fault.code, { kind: "renewed" });
    else if (await rotation?.take(parsed.value)) this.#port.step({ type: "renewed" });
  }

  /** Judged at once, so that a head which comes next is judged by it; on disk before anything is freed by it. */
  async #epochs(payload: Uint8Array): Promise<void> {
    const { state, epochs, keptEpochs, logger } = this.#options;
    const parsed = parseEpochsMessage(payload);
    if (!parsed.ok) {
      state.refusedDownlink(parsed.fault.code, { kind: "epochs" });
      return;
    }
    const before = epochs.epoch;
    const taken = epochs.take(parsed.value);
    if (!taken.ok) {
      this.#refuseEpochs(taken.fault);
      return;
    }
    keptEpochs.keep(epochs.boundaries);
    const { epoch } = epochs;
    if (epoch > before) logger.info({ event: "epochs.added", epoch }, "the validators changed");
  }

  #refuseEpochs(fault: EpochsRefusal): void {
    const { state } = this.#options;
    const { code, ...facts } = fault;
    if (fault.code === "EPOCHS_FORK") {
      const sentence =
        "The validators ended one epoch in two ways: what was known here stays. " +
        "Leave this device as it is and call whoever runs the consortium.";
      state.alarm(code, sentence, facts);
    } else state.refusedDownlink(code, { kind: "epochs", ...facts });
  }

  #challenge(payload: Uint8Array): void {
    const parsed = parseChallengeMessage(payload);
    if (parsed.ok) this.#options.challenged(parsed.value.nonce);
    else this.#options.state.refusedDownlink(parsed.fault.code, { kind: "challenge" });
  }

  #result(payload: Uint8Array): void {
    const { state, downlink, outbox, logger } = this.#options;
    const parsed = parseResultMessage(payload);
    const judged = parsed.ok ? downlink.result(parsed.value) : parsed;
    if (!judged.ok) {
      state.refusedDownlink(judged.fault.code, { kind: "result" });
      return;
    }
    const { identity, bytes, claims } = judged.value;
    const held = outbox.heldResult();
    if (held !== undefined && equal(held.identity, identity)) return;
    this.#port.watch(outbox.holdResult({ identity, bytes }));
    const facts = {
      event: "attestation.result",
      state: claims.state,
      codes: claims.codes,
    } as const;
    if (claims.state === "affirming") logger.info(facts, "the gateway appraised this device");
    else logger.warn(facts, "the gateway does not affirm this device's state");
  }

  #puzzled(): void {
    this.#port.step({ type: "puzzled", at: this.#options.clock.monotonic() });
  }
}

function isOpen({ state }: StoredStatement): boolean {
  return state === "pending" || state === "provisional";
}
