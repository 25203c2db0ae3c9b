/** Where a gateway listens: `mqtts://host:port`, and nothing else. */

import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";

/** `text` is the URI as it was given, for people. An IPv6 host stands without its brackets. */
export type UplinkAddress = { readonly text: string; readonly host: string; readonly port: number };

export type UplinkUriFault = {
  readonly code: "UPLINK_URI_MALFORMED" | "UPLINK_URI_NOT_MQTTS";
};

/** The port is 8883 unless given. Faults: UPLINK_URI_*. */
export function parseUplinkUri(text: string): Result<UplinkAddress, UplinkUriFault> {
  if (!text.startsWith("mqtts://")) return err({ code: "UPLINK_URI_NOT_MQTTS" });
  const match =
    /^mqtts:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? 8_883);
  if (host === undefined || port < 1 || port > 65_535) return err({ code: "UPLINK_URI_MALFORMED" });
  return ok({ text, host, port });
}
