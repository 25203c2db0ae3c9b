/** Answers a device that asks for new certificates over its own authenticated line. */

import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { encodeCertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import {
  isRotationMessage,
  parseRotationMessage,
  rotationIdentity,
} from "@tamga/ledger-core/wire/key-rotation";
import { encodeRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { parseRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { EnrolmentParts, SiteFacts } from "../registry/enrolment.ts";
import { renewCertificates } from "../registry/enrolment.ts";
import type { RotationPolicy } from "../registry/key-rotation.ts";
import { rotateKey } from "../registry/key-rotation.ts";

/** What goes down to the device, if anything, and the code by which it was refused. */
export type RenewalAnswer = {
  readonly down?: { readonly kind: "certificate" | "renewed"; readonly payload: Uint8Array };
  readonly refused?: string;
};

type Parts = EnrolmentParts & { readonly policy: RotationPolicy };
type Request = {
  readonly device: Identifier;
  readonly payload: Uint8Array;
  readonly now: UnixMillis;
};

/** A request for the same signing key is answered by certificates or not at all, one for another key always. */
export async function renewOverLine(
  parts: Parts,
  site: SiteFacts,
  request: Request,
): Promise<RenewalAnswer> {
  if (isRotationMessage(request.payload)) return rotateOverLine(parts, site, request);
  const message = parseRenewMessage(request.payload);
  if (!message.ok) return { refused: message.fault.code };
  const { device, now } = request;
  const renewed = await renewCertificates(parts, site, { device, message: message.value, now });
  if (!renewed.ok) return { refused: renewed.fault.code };
  return { down: { kind: "certificate", payload: encodeCertificateMessage(renewed.value) } };
}

async function rotateOverLine(
  parts: Parts,
  site: SiteFacts,
  { device, payload, now }: Request,
): Promise<RenewalAnswer> {
  const parsed = parseRotationMessage(payload);
  if (!parsed.ok) return { refused: parsed.fault.code };
  const message = parsed.value;
  const rotated = await rotateKey(parts, site, { device, message, now });
  const identity = rotationIdentity(nodeCrypto, message);
  const refused = rotated.ok ? {} : { refused: rotated.fault.code };
  if (identity === undefined) return refused;
  const outcome = rotated.ok
    ? rotated.value
    : ({ type: "refused", code: rotated.fault.code } as const);
  const answer = encodeRenewedMessage({ request: identity, outcome });
  return { down: { kind: "renewed", payload: answer }, ...refused };
}
