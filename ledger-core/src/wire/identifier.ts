/** Names on the wire: channels, devices, gateways, streams and organisations. */

export type { Identifier, IdentifierFault } from "../base/identifier.ts";
export { parseIdentifier } from "../base/identifier.ts";
