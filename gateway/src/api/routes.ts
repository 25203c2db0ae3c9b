/** The gateway's HTTP routes: status, enrolment requests, receipts. Loopback unless configured. */

import type { X509Certificate } from "node:crypto";
import { fromHex } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import {
  invitationHeader,
  parseInvitationProof,
  proveInvitation,
} from "@tamga/ledger-core/daemon/invitation";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { encodeReceiptFile } from "@tamga/ledger-core/receipt/receipt-file";
import type { EnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ReceiptSources } from "../lane/receipts.ts";
import { assembleReceipt } from "../lane/receipts.ts";
import type { DeviceRegistry } from "../registry/device-registry.ts";
import type { SiteFacts } from "../registry/enrolment.ts";
import { acceptInvited, receiveEnrolment, repeatAnswer } from "../registry/enrolment.ts";
import { invitationSentences } from "../registry/invitations.ts";
import { answerText } from "../registry/seal-answer.ts";
import type { SiteCa } from "../registry/site-ca.ts";
import { tpmSentences } from "../registry/tpm-sentences.ts";
import type { GatewayStatus } from "./status.ts";
import { renderStatusPage } from "./status-page.ts";

/** What the channel of a device answers with. */
export type ChannelSources = { readonly site: SiteFacts; readonly receipts: ReceiptSources };

export type RouteSources = {
  readonly status: () => GatewayStatus;
  readonly registry: DeviceRegistry;
  /** Makers of TPMs whose word counts at this site. */
  readonly tpmRoots: readonly X509Certificate[];
  readonly ca: SiteCa;
  /** Asked at each request: the port is known once the broker listens. Undefined of a channel that is stopped. */
  readonly channelOf: (device: Identifier) => ChannelSources | undefined;
  readonly clock: Clock;
};

/** Every refusal is `{ code, sentence }`. */
export function addRoutes(server: FastifyInstance, sources: RouteSources): void {
  const { registry } = sources;
  server.get("/status.json", () => sources.status());
  server.get("/", (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(renderStatusPage(sources.status())),
  );
  server.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) =>
    done(null, body),
  );
  // Without it a page in a browser on this machine may post without asking first (CORS).
  server.removeContentTypeParser("text/plain");
  server.post("/enrol", async (request, reply) => {
    const parsed = parseEnrolmentRequest(typeof request.body === "string" ? request.body : "");
    if (!parsed.ok) return refuse(reply, 400, parsed.fault.code);
    const asked = { request: parsed.value, now: sources.clock.now() };
    const header = request.headers[invitationHeader];
    if (header !== undefined)
      return acceptHeader(sources, { ...asked, header, text: String(request.body) }, reply);
    const kept = await receiveEnrolment(sources, asked);
    if (!kept.ok) return refuse(reply, 409, kept.fault.code);
    return reply.code(202).send({ device: parsed.value.device, state: "pending" });
  });
  server.get<{ Params: { device: string } }>("/enrol/:device", (request, reply) => {
    const device = parseIdentifier(request.params.device);
    if (!device.ok) return refuse(reply, 400, device.fault.code);
    if (registry.pending(device.value) !== undefined) {
      return reply.code(202).send({ device: device.value, state: "pending" });
    }
    const channel = sources.channelOf(device.value);
    if (channel === undefined) return refuse(reply, 503, "CHANNEL_STOPPED");
    const answer = repeatAnswer(sources, channel.site, device.value);
    if (!answer.ok) return refuse(reply, 404, answer.fault.code);
    const text = answerText(answer.value, registry.tpmOf(device.value));
    const kid = registry.keysOf(device.value).at(-1)?.kid;
    const invitation = kid && registry.invitations.usedBy(kid);
    if (invitation !== undefined)
      reply.header(invitationHeader, proveInvitation(invitation, "answer", text));
    return reply.type("application/json").send(text);
  });
  server.get<{ Params: { device: string; incarnation: string; sequence: string } }>(
    "/receipts/:device/:incarnation/:sequence",
    (request, reply) => sendReceipt(sources, request.params, reply),
  );
}

/** 201: what was asked is approved, and the answer is there. */
async function acceptHeader(
  sources: RouteSources,
  asked: {
    readonly request: EnrolmentRequest;
    readonly now: UnixMillis;
    readonly header: string | string[];
    readonly text: string;
  },
  reply: FastifyReply,
) {
  const proof = parseInvitationProof(String(asked.header));
  if (proof === undefined) return refuse(reply, 400, "INVITATION_MALFORMED");
  const { device } = asked.request;
  const channel = sources.channelOf(device);
  if (channel === undefined) return refuse(reply, 503, "CHANNEL_STOPPED");
  const accepted = await acceptInvited(sources, channel.site, { ...asked, proof });
  if (accepted.ok) return reply.code(201).send({ device, state: "approved" });
  const { code } = accepted.fault;
  return refuse(reply, code === "INVITATION_WRONG" ? 403 : 409, code);
}

function sendReceipt(
  sources: RouteSources,
  params: { readonly device: string; readonly incarnation: string; readonly sequence: string },
  reply: FastifyReply,
) {
  const device = parseIdentifier(params.device);
  const incarnation = fromHex(params.incarnation);
  if (!device.ok || incarnation?.length !== 16 || !/^\d{1,18}$/.test(params.sequence)) {
    return refuse(reply, 400, "RECEIPT_ADDRESS_MALFORMED");
  }
  const at = { device: device.value, incarnation, sequence: BigInt(params.sequence) };
  const channel = sources.channelOf(device.value);
  if (channel === undefined) return refuse(reply, 503, "CHANNEL_STOPPED");
  const receipt = assembleReceipt(channel.receipts, at);
  if (!receipt.ok) return refuse(reply, 404, receipt.fault.code);
  return reply.type("application/cbor").send(Buffer.from(encodeReceiptFile(receipt.value)));
}

const sentences: Readonly<Record<string, string>> = {
  ...tpmSentences,
  ...invitationSentences,
  CHANNEL_STOPPED:
    "The device's channel is stopped: `tamga-gateway status` says why, and what to do.",
  ENROLMENT_PENDING_FULL:
    "Too many requests wait: approve or drop some with `tamga-gateway devices`.",
  ENROLMENT_OTHER_KEY:
    "Another key asks under this name: see `tamga-gateway devices list`, and drop it if it is wrong.",
  CSR_KEYS_EQUAL: "Statements and TLS need two different keys.",
  DEVICE_EXISTS: "This device is enrolled already; it renews by itself, or revoke it first.",
  DEVICE_UNKNOWN: "No such device has asked here.",
  RECEIPT_ADDRESS_MALFORMED: "Ask for /receipts/DEVICE/INCARNATION (32 hex digits)/SEQUENCE.",
};

function refuse(reply: FastifyReply, status: number, code: string) {
  const sentence = sentences[code] ?? "The request was refused; its code says why.";
  return reply.code(status).send({ code, sentence });
}
