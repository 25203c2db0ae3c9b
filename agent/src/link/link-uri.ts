/** Link URIs, the one line that names where a device's bytes come from: `serial:` and `tcp:`. */

import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { linkUriLengthMax } from "../limits.ts";

export type LinkUri = SerialUri | TcpUri;

/** `serial:/dev/ttyUSB0?baud=115200&parity=none&data=8&stop=1`; the values shown are the defaults. */
export type SerialUri = {
  readonly scheme: "serial";
  readonly path: string;
  readonly baud: number;
  readonly parity: Parity;
  readonly dataBits: DataBits;
  readonly stopBits: StopBits;
};

/** `tcp://host:port` or `tcp:host:port`; an IPv6 host stands in brackets. */
export type TcpUri = { readonly scheme: "tcp"; readonly host: string; readonly port: number };

export const parities = ["none", "even", "odd", "mark", "space"] as const;
export type Parity = (typeof parities)[number];
export const dataBitCounts = [5, 6, 7, 8] as const;
export type DataBits = (typeof dataBitCounts)[number];
export const stopBitCounts = [1, 1.5, 2] as const;
export type StopBits = (typeof stopBitCounts)[number];

export type LinkUriFault =
  | { readonly code: "LINK_URI_TOO_LONG"; readonly limit: number }
  | { readonly code: "LINK_URI_UNKNOWN_SCHEME" }
  | { readonly code: "LINK_URI_BAD_ADDRESS" }
  | { readonly code: "LINK_URI_UNKNOWN_OPTION" | "LINK_URI_BAD_OPTION"; readonly option: string };

/** Faults: {@link LinkUriFault}. An option that stands twice is a bad one. */
export function parseLinkUri(text: string): Result<LinkUri, LinkUriFault> {
  if (text.length > linkUriLengthMax)
    return err({ code: "LINK_URI_TOO_LONG", limit: linkUriLengthMax });
  if (text.startsWith("serial:")) return parseSerialUri(text.slice("serial:".length));
  if (text.startsWith("tcp:")) return parseTcpUri(text.slice("tcp:".length));
  return err({ code: "LINK_URI_UNKNOWN_SCHEME" });
}

/** A sentence for people: what is wrong and what would be right. */
export function explainLinkUriFault(fault: LinkUriFault): string {
  switch (fault.code) {
    case "LINK_URI_TOO_LONG":
      return `The link is longer than ${fault.limit} characters.`;
    case "LINK_URI_UNKNOWN_SCHEME":
      return "A link starts with serial: or tcp:, as serial:/dev/ttyUSB0?baud=115200.";
    case "LINK_URI_BAD_ADDRESS":
      return "The link names no port: write serial:/dev/ttyUSB0 or tcp://host:port.";
    case "LINK_URI_UNKNOWN_OPTION":
      return `The link has an unknown option "${fault.option}": baud, parity, data and stop exist.`;
    case "LINK_URI_BAD_OPTION":
      return `The link's option "${fault.option}" has no such value, or stands twice.`;
  }
}

function parseSerialUri(rest: string): Result<SerialUri, LinkUriFault> {
  const question = rest.indexOf("?");
  const path = decodePath(question < 0 ? rest : rest.slice(0, question));
  if (path === undefined) return err({ code: "LINK_URI_BAD_ADDRESS" });
  const options = new Map<string, string>();
  for (const [option, value] of new URLSearchParams(question < 0 ? "" : rest.slice(question + 1))) {
    if (!["baud", "parity", "data", "stop"].includes(option))
      return err({ code: "LINK_URI_UNKNOWN_OPTION", option });
    if (options.has(option)) return err({ code: "LINK_URI_BAD_OPTION", option });
    options.set(option, value);
  }
  const baud = /^\d{1,7}$/.test(options.get("baud") ?? "115200")
    ? Number(options.get("baud") ?? 115_200)
    : 0;
  if (baud < 50 || baud > 4_000_000) return err({ code: "LINK_URI_BAD_OPTION", option: "baud" });
  const parity = parities.find((name) => name === (options.get("parity") ?? "none"));
  if (parity === undefined) return err({ code: "LINK_URI_BAD_OPTION", option: "parity" });
  const dataBits = dataBitCounts.find((count) => `${count}` === (options.get("data") ?? "8"));
  if (dataBits === undefined) return err({ code: "LINK_URI_BAD_OPTION", option: "data" });
  const stopBits = stopBitCounts.find((count) => `${count}` === (options.get("stop") ?? "1"));
  if (stopBits === undefined) return err({ code: "LINK_URI_BAD_OPTION", option: "stop" });
  return ok({ scheme: "serial", path, baud, parity, dataBits, stopBits });
}

function decodePath(text: string): string | undefined {
  try {
    const path = decodeURIComponent(text);
    return path === "" || path.includes("\u0000") ? undefined : path;
  } catch {
    return undefined;
  }
}

function parseTcpUri(rest: string): Result<TcpUri, LinkUriFault> {
  const match = /^(?:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})\/?$/.exec(rest);
  const port = Number(match?.[3] ?? 0);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535) return err({ code: "LINK_URI_BAD_ADDRESS" });
  return ok({ scheme: "tcp", host, port });
}
