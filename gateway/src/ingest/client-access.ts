/** What a client of the broker may do: decided from its certificate and the registry alone. Pure. */

import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { UplinkKind } from "@tamga/ledger-core/wire/topic";
import { downlinkFilter, parseTopic } from "@tamga/ledger-core/wire/topic";

/** Who is on the line: `renew-only` has an expired certificate that the registry knows. */
export type ClientAccess = {
  readonly channel: Identifier;
  readonly device: Identifier;
  readonly rights: "full" | "renew-only";
};

export type AccessFault = {
  readonly code:
    | "CLIENT_CERTIFICATE_MISSING"
    | "CLIENT_CERTIFICATE_UNKNOWN"
    | "CLIENT_REVOKED"
    | "CLIENT_ID_EMPTY"
    | "CLIENT_ID_NOT_CERTIFIED"
    | "CLIENT_WILL_REFUSED"
    | "CLIENT_SESSION_REFUSED"
    | "TOPIC_FOREIGN"
    | "TOPIC_RENEW_ONLY"
    | "PUBLISH_QOS_REFUSED"
    | "PUBLISH_RETAIN_REFUSED";
};

/** What the registry says of a TLS certificate. */
export type KnownCertificate = {
  readonly device: Identifier;
  readonly notAfter: UnixMillis;
  readonly revoked: boolean;
};

/**
 * Judges a connection. Possession of the key is TLS's business; that the certificate is one that the
 * site gave out is the registry's; dates only reduce what a known device may do.
 */
export function admitClient(
  client: {
    readonly clientId: string;
    readonly hasWill: boolean;
    readonly cleanSession: boolean;
    readonly certificate: "missing" | "unknown" | KnownCertificate;
  },
  site: { readonly channel: Identifier; readonly now: UnixMillis },
): Result<ClientAccess, AccessFault> {
  const { certificate, clientId } = client;
  if (certificate === "missing") return err({ code: "CLIENT_CERTIFICATE_MISSING" });
  if (certificate === "unknown") return err({ code: "CLIENT_CERTIFICATE_UNKNOWN" });
  if (certificate.revoked) return err({ code: "CLIENT_REVOKED" });
  if (clientId === "") return err({ code: "CLIENT_ID_EMPTY" });
  if (clientId !== certificate.device) return err({ code: "CLIENT_ID_NOT_CERTIFIED" });
  if (client.hasWill) return err({ code: "CLIENT_WILL_REFUSED" });
  // A session that outlives its connection would be kept in the broker's memory; the outbox is durable.
  if (!client.cleanSession) return err({ code: "CLIENT_SESSION_REFUSED" });
  const expired = certificate.notAfter < site.now;
  return ok({
    channel: site.channel,
    device: certificate.device,
    rights: expired ? "renew-only" : "full",
  });
}

/** Faults: TOPIC_FOREIGN, TOPIC_RENEW_ONLY, PUBLISH_QOS_REFUSED, PUBLISH_RETAIN_REFUSED. */
export function admitPublish(
  access: ClientAccess,
  packet: { readonly topic: string; readonly qos: number; readonly retain: boolean },
): Result<UplinkKind, AccessFault> {
  const topic = parseTopic(packet.topic);
  if (
    topic === undefined ||
    topic.direction !== "up" ||
    topic.channel !== access.channel ||
    topic.device !== access.device
  ) {
    return err({ code: "TOPIC_FOREIGN" });
  }
  if (packet.qos !== 1) return err({ code: "PUBLISH_QOS_REFUSED" });
  if (packet.retain) return err({ code: "PUBLISH_RETAIN_REFUSED" });
  if (access.rights === "renew-only" && topic.kind !== "renew")
    return err({ code: "TOPIC_RENEW_ONLY" });
  return ok(topic.kind);
}

/** Faults: TOPIC_FOREIGN. */
export function admitSubscribe(access: ClientAccess, filter: string): Result<null, AccessFault> {
  return filter === downlinkFilter(access) ? ok(null) : err({ code: "TOPIC_FOREIGN" });
}
