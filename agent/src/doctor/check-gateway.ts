/** Reaches out to a gateway: TCP, TLS, and whether its certificate is the site's. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { DeviceIdentity } from "../identity/device-identity.ts";
import { dial } from "../uplink/dial.ts";
import type { UplinkAddress } from "../uplink/uplink-uri.ts";
import type { Finding } from "./finding.ts";
import { fail, ok } from "./finding.ts";

/** @param at when dates are judged; undefined where the clock is not set. */
export async function checkGateway(
  address: UplinkAddress,
  { identity, at }: { readonly identity: DeviceIdentity; readonly at: UnixMillis | undefined },
  { signal }: { readonly signal: AbortSignal },
): Promise<Finding> {
  const check = `gateway ${address.text}`;
  const expected = { channel: identity.address.channel, ca: identity.ca, at };
  try {
    const { socket, gateway } = await dial(
      address,
      { credentials: identity.credentials(), expected },
      { signal },
    );
    socket.on("error", () => undefined);
    socket.destroy();
    return ok(check, `It answers as ${gateway}, with a certificate of this site.`);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return fail(check, `${error.message} [${error.code}]`);
  }
}
