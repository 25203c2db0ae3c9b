/** The named limits of the uplink; a test reaches each. */

import { messageBytesMax } from "@tamga/ledger-core/wire/limits";

/** Statements published and not yet acknowledged, and their bytes: half of a gateway's share of a device. */
export const windowMessagesMax = 64;
export const windowBytesMax = 4 * 1_024 * 1_024;
/** Milliseconds for TCP and TLS, and for MQTT's CONNACK and SUBACK. */
export const dialMsMax = 10_000;
export const connectMsMax = 15_000;
/** Milliseconds that a PUBACK, or the answer to a `have` or a `renew`, may take. */
export const acknowledgeMsMax = 45_000;
export const answerMsMax = 30_000;
/** Milliseconds after which a receipt is overdue; the longest pause between two questions for it. */
export const receiptMsMax = 30_000;
export const askPauseMsMax = 300_000;
/**
 * Milliseconds between two questions that an unknown statement or an unlinked head asks for, and between
 * two times that statements go again since a proof speaks of others in their place.
 */
export const askAgainMsMin = 2_000;
/** Acknowledged statements whose receipt is waited for one by one; past it, all together. */
export const awaitedMax = 4_096;
/** Digests of sent statements by which a refusal of what could not be placed is known: two a statement. */
export const sentDigestsMax = 2 * awaitedMax;
/** Connections that end at the first question before a renewal is tried first. */
export const refusalsMax = 2;
/** Milliseconds between two attempts to reach a gateway, at first and at most. */
export const reconnectMsMin = 500;
export const reconnectMsMax = 60_000;
/** Seconds of MQTT's keep-alive: a gateway reads no PINGREQ while a commit is under way. */
export const keepAliveSeconds = 60;
/** Bytes of one MQTT packet from a gateway: a message, its topic and its header. */
export const packetBytesMax = messageBytesMax + 4_096;
/** Pages of one `have` exchange, as the gateway takes. */
export const havePagesMax = 64;
/** Lane incarnations whose newest verified head is remembered. */
export const laneHeadsMax = 16;
/** Gateways whose certificate chain is remembered. */
export const gatewayChainsMax = 16;
/** Gateways that one agent may be given. */
export const gatewaysMax = 16;
/** Messages of a gateway that are kept between the subscription and the first question. */
export const earlyMessagesMax = 64;
