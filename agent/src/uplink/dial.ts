/** Opens a mutually authenticated TLS connection to a gateway, with or without a look at dates. */

import { once } from "node:events";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { connect } from "node:tls";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { dialMsMax } from "./limits.ts";
import type { ExpectedServer } from "./server-identity.ts";
import { judgeServer, serverSentence } from "./server-identity.ts";
import type { UplinkAddress } from "./uplink-uri.ts";

/** PEM. */
export type TlsCredentials = {
  readonly key: string;
  readonly certificate: string;
  readonly ca: string;
};

/** The gateway's name as its certificate has it. */
export type GatewaySocket = { readonly socket: TLSSocket; readonly gateway: Identifier };

/**
 * OpenSSL looks at dates or at nothing, so where dates do not count its verdict is set aside; the rest
 * is judged by {@link judgeServer} either way, before one byte of ours is sent.
 *
 * Throws UPLINK_UNREACHABLE, UPLINK_TIMEOUT, UPLINK_SERVER_REFUSED, and `signal.reason`.
 */
export async function dial(
  address: UplinkAddress,
  {
    credentials,
    expected,
  }: { readonly credentials: TlsCredentials; readonly expected: Omit<ExpectedServer, "host"> },
  { signal }: { readonly signal: AbortSignal },
): Promise<GatewaySocket> {
  signal.throwIfAborted();
  const { host, port, text } = address;
  const socket = connect({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    key: credentials.key,
    cert: credentials.certificate,
    ca: credentials.ca,
    minVersion: "TLSv1.2",
    rejectUnauthorized: expected.at !== undefined,
    // Judged below by the same function and more.
    checkServerIdentity: () => undefined,
  });
  const late = deadline(dialMsMax);
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.any([signal, late]) });
  } catch (cause) {
    socket.on("error", () => undefined);
    socket.destroy();
    signal.throwIfAborted();
    throw dialError(text, late.aborted ? late.reason : cause, late.aborted);
  }
  const judged = judgeServer(nodeCrypto, { ...expected, host }, socket.getPeerCertificate(true));
  if (judged.ok) return { socket, gateway: judged.value };
  socket.on("error", () => undefined);
  socket.destroy();
  throw new OperationalError(
    "UPLINK_SERVER_REFUSED",
    `${text} was refused: ${serverSentence(judged.fault)}.`,
    { details: { gateway: text, fault: judged.fault.code } },
  );
}

function dialError(text: string, cause: unknown, isLate: boolean): OperationalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const details = { gateway: text, systemCode: code };
  if (isLate) {
    return new OperationalError("UPLINK_TIMEOUT", `${text} does not answer.`, { details, cause });
  }
  // What is neither the system's (ECONNRESET) nor Node's (ERR_…) is OpenSSL's verdict on a certificate.
  if (code !== "" && !/^(E[A-Z0-9]+$|ERR_)/.test(code)) {
    const sentence = `${text} was refused: its certificate is not accepted (${code}).`;
    return new OperationalError("UPLINK_SERVER_REFUSED", sentence, {
      details: { ...details, fault: code },
      cause,
    });
  }
  const sentence = `${text} cannot be reached (${code || "connection lost"}).`;
  const known = code === "" ? { cause } : {};
  return new OperationalError("UPLINK_UNREACHABLE", sentence, { details, ...known });
}
