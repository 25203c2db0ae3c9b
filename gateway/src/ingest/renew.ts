/** Answers a device that asks for new certificates over its own authenticated line. */

import type { Result } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { CertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { MessageFault } from "@tamga/ledger-core/wire/uplink-message";
import { parseRenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { DeviceRegistry } from "../registry/device-registry.ts";
import type { EnrolmentFault, SiteFacts } from "../registry/enrolment.ts";
import { renewCertificates } from "../registry/enrolment.ts";
import type { SiteCa } from "../registry/site-ca.ts";

/** Faults: CBOR_*, FIELD_*, and those of `renewCertificates`. */
export async function renewOverLine(
  parts: { readonly ca: SiteCa; readonly registry: DeviceRegistry },
  site: SiteFacts,
  request: { readonly device: Identifier; readonly payload: Uint8Array; readonly now: UnixMillis },
): Promise<Result<CertificateMessage, EnrolmentFault | MessageFault>> {
  const message = parseRenewMessage(request.payload);
  if (!message.ok) return message;
  const { device, now } = request;
  return renewCertificates(parts, site, { device, message: message.value, now });
}
