/** Reads `trust.json` strictly: every key known, every key once, one form of each value. */

import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { fromBase64, fromHex, fromUtf8, parseDigest } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { mlDsa44KeyBytes } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseIdentifier } from "../wire/identifier.ts";
import { trustPolicyBytesMax, validatorsMax } from "../wire/limits.ts";
import type { TrustPolicy, TrustPolicyFault } from "./trust-policy.ts";
import { judgeTrustPolicy, trustPolicyVersion } from "./trust-policy.ts";

/** `field` is the path of keys, e.g. `validators.0.publicKey`. */
export type TrustFileFault =
  | { readonly code: "TRUST_TOO_LONG"; readonly limit: number }
  | { readonly code: "TRUST_NOT_JSON" }
  | { readonly code: "TRUST_KEY_TWICE" }
  | { readonly code: "TRUST_VERSION_UNKNOWN"; readonly found: string }
  | { readonly code: "TRUST_FIELD_MISSING"; readonly field: string }
  | { readonly code: "TRUST_FIELD_UNKNOWN"; readonly field: string }
  | { readonly code: "TRUST_FIELD_BAD"; readonly field: string };

/** Parses and judges a policy file, at most 1 MiB. Faults: TRUST_*. */
export function parseTrustPolicy(
  bytes: Uint8Array,
): Result<TrustPolicy, TrustFileFault | TrustPolicyFault> {
  if (bytes.length > trustPolicyBytesMax)
    return err({ code: "TRUST_TOO_LONG", limit: trustPolicyBytesMax });
  const json = parseJson(fromUtf8(bytes));
  if (!json.ok) return json;
  const fields = new JsonFields(json.value);
  const version = fields.value("version");
  if (version !== undefined && version !== trustPolicyVersion)
    return err({ code: "TRUST_VERSION_UNKNOWN", found: String(version).slice(0, 32) });
  const content = {
    consortium: fields.identifier("consortium"),
    channel: fields.identifier("channel"),
    channelId: fields.digest("channelId"),
    channelIncarnation: fields.hex("channelIncarnation", 16),
    reopened: fields.flag("reopened"),
    organisations: fields.list("organisations", (item) => ({
      name: item.identifier("name"),
      ca: item.base64("ca"),
    })),
    validators: fields.list("validators", (item) => ({
      name: item.identifier("name"),
      organisation: item.identifier("organisation"),
      publicKey: item.base64("publicKey", 32),
    })),
    quorum: fields.count("quorum"),
    ...(fields.has("mlDsa44") && {
      mlDsa44: fields.object("mlDsa44", (item) => ({
        required: item.flag("required"),
        keys: item.list("keys", (key) => ({
          validator: key.identifier("validator"),
          publicKey: key.base64("publicKey", mlDsa44KeyBytes),
        })),
      })),
    }),
  };
  const fault = fields.finish();
  return fault === undefined ? judgeTrustPolicy(content) : err(fault);
}

/**
 * `JSON.parse` keeps the last of two equal keys, which hides the first from the program but not from the
 * reader. Such a text, like one with needless escapes, is not what its value prints as.
 */
function parseJson(text: string | undefined): Result<unknown, TrustFileFault> {
  if (text === undefined) return err({ code: "TRUST_NOT_JSON" });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err({ code: "TRUST_NOT_JSON" });
  }
  return JSON.stringify(value) === withoutBlanks(text)
    ? ok(value)
    : err({ code: "TRUST_KEY_TWICE" });
}

/** A JSON text without the blanks outside its strings. */
function withoutBlanks(text: string): string {
  let dense = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quoted || !/\s/.test(character)) dense += character;
    if (character === '"') quoted = !quoted;
    else if (quoted && character === "\\") dense += text.charAt(++i);
  }
  return dense;
}

/** Reads an object's fields by name, keeping the first fault; an unread key is one. */
class JsonFields {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #path: string;
  readonly #root: { fault: TrustFileFault | undefined };
  readonly #read = new Set<string>();

  constructor(
    value: unknown,
    path = "",
    root: { fault: TrustFileFault | undefined } = { fault: undefined },
  ) {
    this.#path = path;
    this.#root = root;
    const plain = typeof value === "object" && value !== null && !Array.isArray(value);
    this.#fields = new Map(plain ? Object.entries(value) : []);
    if (!plain) this.#fail("TRUST_FIELD_BAD", "");
  }

  finish(): TrustFileFault | undefined {
    for (const key of this.#fields.keys())
      if (!this.#read.has(key)) this.#fail("TRUST_FIELD_UNKNOWN", key.slice(0, 64));
    return this.#root.fault;
  }

  value(key: string): unknown {
    this.#read.add(key);
    if (!this.#fields.has(key)) this.#fail("TRUST_FIELD_MISSING", key);
    return this.#fields.get(key);
  }

  text(key: string): string {
    const value = this.value(key);
    return typeof value === "string" ? value : this.#bad(key, "");
  }

  identifier(key: string): Identifier {
    const parsed = parseIdentifier(this.text(key));
    return parsed.ok ? parsed.value : this.#bad(key, fallbackIdentifier);
  }

  /** Lower-case hexadecimal of this many bytes. */
  hex(key: string, length: number): Uint8Array {
    const text = this.text(key);
    const bytes = /[A-F]/.test(text) ? undefined : fromHex(text);
    return bytes?.length === length ? bytes : this.#bad(key, new Uint8Array(length));
  }

  digest(key: string): Digest {
    const digest = parseDigest(this.hex(key, 32));
    return digest.ok ? digest.value : this.#bad(key, fallbackDigest);
  }

  base64(key: string, length?: number): Uint8Array {
    const bytes = fromBase64(this.text(key));
    const fits = bytes !== undefined && (length === undefined || bytes.length === length);
    return fits ? bytes : this.#bad(key, new Uint8Array(length ?? 0));
  }

  flag(key: string): boolean {
    const value = this.value(key);
    return typeof value === "boolean" ? value : this.#bad(key, false);
  }

  count(key: string): number {
    const value = this.value(key);
    const whole = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
    return whole ? value : this.#bad(key, 0);
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }

  object<T>(key: string, parse: (item: JsonFields) => T): T {
    const fields = new JsonFields(this.value(key), this.#name(key), this.#root);
    const parsed = parse(fields);
    fields.finish();
    return parsed;
  }

  list<T>(key: string, parse: (item: JsonFields) => T): readonly T[] {
    const value = this.value(key);
    if (!Array.isArray(value) || value.length > validatorsMax) return this.#bad(key, []);
    return value.map((item: unknown, index) => {
      const fields = new JsonFields(item, this.#name(`${key}.${index}`), this.#root);
      const parsed = parse(fields);
      fields.finish();
      return parsed;
    });
  }

  #bad<T>(key: string, fallback: T): T {
    this.#fail("TRUST_FIELD_BAD", key);
    return fallback;
  }

  #fail(code: "TRUST_FIELD_MISSING" | "TRUST_FIELD_UNKNOWN" | "TRUST_FIELD_BAD", key: string) {
    this.#root.fault ??= { code, field: this.#name(key) };
  }

  #name(key: string): string {
    return this.#path === "" ? key : key === "" ? this.#path : `${this.#path}.${key}`;
  }
}

/** What a getter gives after a fault; no policy with it is ever judged. */
const fallbackIdentifier = mint<Identifier>("_");
const fallbackDigest = mint<Digest>(new Uint8Array(32));
