/**
 * Enrolment as two files, or as the same two over HTTP: a device's request, the site's answer
 * (WIRE.md §12). JSON, since a technician looks into them; neither holds a secret.
 */

import { fromBase64, toBase64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Identifier } from "./identifier.ts";
import { parseIdentifier } from "./identifier.ts";
import {
  certificateBytesMax,
  certificationRequestBytesMax,
  chainLengthMax,
  enrolmentBytesMax,
} from "./limits.ts";

/** Where a device says that its signing key lives. Nobody has attested it. */
export const keyKinds = ["file", "pkcs11", "tpm"] as const;
export type KeyKind = (typeof keyKinds)[number];

export type EnrolmentRequest = {
  readonly device: Identifier;
  readonly keyKind: KeyKind;
  /** PKCS#10, DER: of the signing key, and of the key that the agent's TLS uses. */
  readonly signing: Uint8Array;
  readonly tls: Uint8Array;
};

export type EnrolmentAnswer = {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly gateway: Identifier;
  /** `mqtts://host:port`, in the order in which an agent tries them. */
  readonly uplink: readonly string[];
  /** DER, leaf first. */
  readonly signingChain: readonly Uint8Array[];
  readonly tlsChain: readonly Uint8Array[];
  /** The site CA that the agent pins, DER. */
  readonly ca: Uint8Array;
  /** The text of trust.json. Compare its digest out of band. */
  readonly trust: string;
};

export type EnrolmentFault = {
  readonly code: "ENROLMENT_MALFORMED" | "ENROLMENT_VERSION_UNKNOWN" | "ENROLMENT_TOO_LONG";
  /** The field that is wrong, or "". */
  readonly field: string;
};

export function encodeEnrolmentRequest(request: EnrolmentRequest): string {
  return stringify({
    tamga: "enrolment-request/1",
    device: request.device,
    keyKind: request.keyKind,
    signing: toBase64(request.signing),
    tls: toBase64(request.tls),
  });
}

export function encodeEnrolmentAnswer(answer: EnrolmentAnswer): string {
  return stringify({
    tamga: "enrolment-answer/1",
    device: answer.device,
    channel: answer.channel,
    gateway: answer.gateway,
    uplink: answer.uplink,
    signingChain: answer.signingChain.map(toBase64),
    tlsChain: answer.tlsChain.map(toBase64),
    ca: toBase64(answer.ca),
    trust: answer.trust,
  });
}

/** Faults: ENROLMENT_*, with the field. Unknown fields are refused. */
export function parseEnrolmentRequest(text: string): Result<EnrolmentRequest, EnrolmentFault> {
  return parse(text, "enrolment-request/1", (fields) => ({
    device: fields.identifier("device"),
    keyKind:
      keyKinds.find((kind) => kind === fields.text("keyKind")) ?? fields.refuse("keyKind", "file"),
    signing: fields.bytes("signing", certificationRequestBytesMax),
    tls: fields.bytes("tls", certificationRequestBytesMax),
  }));
}

/** Faults: ENROLMENT_*, with the field. Certificates and trust policy are not verified here. */
export function parseEnrolmentAnswer(text: string): Result<EnrolmentAnswer, EnrolmentFault> {
  return parse(text, "enrolment-answer/1", (fields) => ({
    device: fields.identifier("device"),
    channel: fields.identifier("channel"),
    gateway: fields.identifier("gateway"),
    uplink: fields.texts("uplink", 16),
    signingChain: fields.chain("signingChain"),
    tlsChain: fields.chain("tlsChain"),
    ca: fields.bytes("ca", certificateBytesMax),
    trust: fields.text("trust"),
  }));
}

function stringify(fields: Readonly<Record<string, string | readonly string[]>>): string {
  return `${JSON.stringify(fields, null, 2)}\n`;
}

function parse<T>(
  text: string,
  format: string,
  read: (fields: JsonFields) => T,
): Result<T, EnrolmentFault> {
  if (text.length > enrolmentBytesMax) return err({ code: "ENROLMENT_TOO_LONG", field: "" });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: "ENROLMENT_MALFORMED", field: "" });
  }
  const fields = new JsonFields(value);
  const found = fields.text("tamga");
  const family = format.slice(0, format.indexOf("/") + 1);
  if (found.startsWith(family) && found !== format) {
    return err({ code: "ENROLMENT_VERSION_UNKNOWN", field: "tamga" });
  }
  if (found !== format) fields.refuse("tamga", "");
  const result = read(fields);
  const wrong = fields.firstWrong();
  return wrong === undefined ? ok(result) : err({ code: "ENROLMENT_MALFORMED", field: wrong });
}

/** Reads a JSON object's fields by name and keeps the first that was wrong. */
class JsonFields {
  readonly #fields: Map<string, unknown>;
  readonly #read = new Set<string>();
  #wrong: string | undefined;

  constructor(value: unknown) {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    this.#fields = new Map(isObject ? Object.entries(value) : []);
  }

  firstWrong(): string | undefined {
    for (const key of this.#fields.keys()) if (!this.#read.has(key)) this.#wrong ??= key;
    return this.#wrong;
  }

  refuse<T>(key: string, fallback: T): T {
    this.#wrong ??= key;
    return fallback;
  }

  text(key: string): string {
    this.#read.add(key);
    const value = this.#fields.get(key);
    return typeof value === "string" ? value : this.refuse(key, "");
  }

  identifier(key: string): Identifier {
    const parsed = parseIdentifier(this.text(key));
    if (parsed.ok) return parsed.value;
    const fallback = parseIdentifier("_");
    if (!fallback.ok) throw new Error("unreachable");
    return this.refuse(key, fallback.value);
  }

  bytes(key: string, max: number): Uint8Array {
    return this.#decode(key, this.text(key), max);
  }

  texts(key: string, max: number): readonly string[] {
    this.#read.add(key);
    const value = this.#fields.get(key);
    if (!Array.isArray(value) || value.length > max) return this.refuse(key, []);
    return value.map((item: unknown) => (typeof item === "string" ? item : this.refuse(key, "")));
  }

  chain(key: string): readonly Uint8Array[] {
    return this.texts(key, chainLengthMax).map((text) =>
      this.#decode(key, text, certificateBytesMax),
    );
  }

  #decode(key: string, text: string, max: number): Uint8Array {
    const bytes = fromBase64(text);
    const fits = bytes !== undefined && bytes.length > 0 && bytes.length <= max;
    return fits ? bytes : this.refuse(key, new Uint8Array());
  }
}
