/** JSON files that a technician carries: their frame, and their fields by name (WIRE.md §12.1). */

import { fromBase64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Identifier } from "./identifier.ts";
import { parseIdentifier } from "./identifier.ts";
import { certificateBytesMax, chainLengthMax, enrolmentBytesMax } from "./limits.ts";

export type EnrolmentFault = {
  readonly code: "ENROLMENT_MALFORMED" | "ENROLMENT_VERSION_UNKNOWN" | "ENROLMENT_TOO_LONG";
  /** The field that is wrong, or "". */
  readonly field: string;
};

export function stringifyFile(
  fields: Readonly<Record<string, string | readonly string[]>>,
): string {
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/**
 * @param formats names with versions of one family, such as `enrolment-request/1`; another version of it is told apart.
 * Faults: ENROLMENT_*, with the field.
 */
export function parseFile<T>(
  text: string,
  formats: readonly [string, ...string[]],
  read: (fields: JsonFields, format: string) => T,
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
  const [first] = formats;
  const family = first.slice(0, first.indexOf("/") + 1);
  const isKnown = formats.includes(found);
  if (found.startsWith(family) && !isKnown) {
    return err({ code: "ENROLMENT_VERSION_UNKNOWN", field: "tamga" });
  }
  if (!isKnown) fields.refuse("tamga", "");
  const result = read(fields, found);
  const wrong = fields.firstWrong();
  return wrong === undefined ? ok(result) : err({ code: "ENROLMENT_MALFORMED", field: wrong });
}

/** Reads a JSON object's fields by name and keeps the first that was wrong. */
export class JsonFields {
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
