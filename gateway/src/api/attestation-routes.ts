/** HTTP routes about the state of a device: what was concluded of it, and the receipts of that. */

import { encodeReceiptFile } from "@tamga/ledger-core/receipt/receipt-file";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Appraiser } from "../appraisal/appraiser.ts";
import { readHistory } from "../appraisal/history.ts";
import type { ReceiptSources } from "../lane/receipts.ts";
import { assembleReceipt } from "../lane/receipts.ts";
import { attestationEventsMax } from "../limits.ts";

export type AttestationSources = {
  /** Undefined of a channel that is stopped. */
  readonly channelOf: (
    device: Identifier,
  ) => { readonly receipts: ReceiptSources; readonly appraiser: Appraiser | undefined } | undefined;
  readonly tpmOf: (device: Identifier) => { readonly attestationKey: Uint8Array } | undefined;
};

export function addAttestationRoutes(server: FastifyInstance, sources: AttestationSources): void {
  server.get<{ Params: { device: string } }>("/attestation/:device", ({ params }, reply) => {
    const device = parseIdentifier(params.device);
    if (!device.ok) return refuse(reply, 400, device.fault.code);
    const channel = sources.channelOf(device.value);
    if (channel === undefined) return refuse(reply, 503, "CHANNEL_STOPPED");
    const { appraiser, receipts } = channel;
    if (appraiser === undefined) return refuse(reply, 404, "ATTESTATION_OFF");
    const claim = sources.tpmOf(device.value);
    if (claim === undefined) return refuse(reply, 404, "ATTESTATION_KEY_UNKNOWN");
    const { attestationKey } = claim;
    const of = { device: device.value, attestationKey, limit: attestationEventsMax };
    const now = appraiser.of(device.value);
    return reply.send({ device: device.value, ...now, events: readHistory(receipts.lane, of) });
  });
  server.get<{ Params: { device: string; lane: string; leaf: string } }>(
    "/attestation/:device/:lane/:leaf",
    ({ params }, reply) => {
      const device = parseIdentifier(params.device);
      if (!device.ok || !/^\d{1,4}$/.test(params.lane) || !/^\d{1,12}$/.test(params.leaf))
        return refuse(reply, 400, "LEAF_ADDRESS_MALFORMED");
      const channel = sources.channelOf(device.value);
      if (channel === undefined) return refuse(reply, 503, "CHANNEL_STOPPED");
      const { receipts } = channel;
      const place = { lane: Number(params.lane), leafIndex: BigInt(params.leaf) };
      const row = place.lane === 0 ? undefined : receipts.lane.at(place);
      const isAbout = row?.kind === "result" || row?.kind === "evidence";
      if (!isAbout || row.device !== device.value) return refuse(reply, 404, "STATEMENT_NOT_HELD");
      const receipt = assembleReceipt(receipts, place);
      if (!receipt.ok) return refuse(reply, 404, receipt.fault.code);
      return reply.type("application/cbor").send(Buffer.from(encodeReceiptFile(receipt.value)));
    },
  );
}

const sentences: Readonly<Record<string, string>> = {
  ATTESTATION_OFF:
    "This gateway judges no device's state: name reference values in [attestation] of gateway.toml.",
  ATTESTATION_KEY_UNKNOWN: "This device was not enrolled with a TPM, so it cannot attest.",
  CHANNEL_STOPPED:
    "The device's channel is stopped: `tamga-gateway status` says why, and what to do.",
  LEAF_ADDRESS_MALFORMED:
    "Ask for /attestation/DEVICE/LANE/LEAF, as /attestation/DEVICE lists them.",
  STATEMENT_NOT_HELD: "There is no evidence or result of this device at that leaf.",
};

function refuse(reply: FastifyReply, status: number, code: string) {
  const sentence = sentences[code] ?? "The request was refused; its code says why.";
  return reply.code(status).send({ code, sentence });
}
