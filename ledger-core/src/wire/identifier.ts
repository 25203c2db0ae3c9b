/** Names on the wire: channels, devices, gateways, streams and organisations. */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { identifierLengthMax } from "./limits.ts";

/** `[A-Za-z0-9._-]{1,64}`; safe in an MQTT topic, a path and a certificate. */
export type Identifier = Brand<string, "Identifier">;
export type IdentifierFault = { readonly code: "IDENTIFIER_BAD" };

const pattern = new RegExp(`^[A-Za-z0-9._-]{1,${identifierLengthMax}}$`);

export function parseIdentifier(text: string): Result<Identifier, IdentifierFault> {
  return pattern.test(text) ? ok(mint<Identifier>(text)) : err({ code: "IDENTIFIER_BAD" });
}
