/** Reads one TOML file, judges it by a schema, and hands out a frozen value or a sentence to act on. */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { fromUtf8 } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { configBytesMax, configFaultsShownMax, secretBytesMax } from "./limits.ts";

/**
 * Throws CONFIG_UNREADABLE, or CONFIG_INVALID whose message names each wrong key and what to do; no
 * message repeats a value, which may be a secret in the wrong place.
 *
 * @param makeSchema gets the file's directory, for {@link filePath}; returns a `z.strictObject`.
 * @returns the schema's output, frozen to its leaves.
 */
export function loadConfig<Schema extends z.ZodType>(
  path: string,
  makeSchema: (directory: string) => Schema,
): z.output<Schema> {
  const file = resolve(path);
  const judged = makeSchema(dirname(file)).safeParse(parseToml(file, readConfig(file)));
  if (judged.success) return freezeDeeply(judged.data);
  const faults = judged.error.issues.flatMap((issue) => sentences(issue, []));
  const shown = faults.slice(0, configFaultsShownMax);
  const more = faults.length > shown.length ? [`and ${faults.length - shown.length} more`] : [];
  throw new OperationalError(
    "CONFIG_INVALID",
    `${file} cannot be used: ${[...shown, ...more].join("; ")}.`,
    { details: { file, faults: faults.length } },
  );
}

/** A path; a relative one is taken from the configuration file's directory. */
export function filePath(directory: string) {
  return z
    .string()
    .min(1, { error: "must name a file" })
    .refine((path) => !path.includes("\0"), { error: "must not hold a zero byte" })
    .transform((path) => resolve(directory, path));
}

/** `"250ms"`, `"2s"`, `"5m"`, `"1h"`, `"30d"` to whole milliseconds within the bounds. */
export function duration(bounds: { readonly min: string; readonly max: string }) {
  return scaled(bounds, durationUnits, 'a duration such as "250ms", "2s", "5m", "1h" or "30d"');
}

/** `"512B"`, `"64KiB"`, `"64MiB"`, `"2GiB"`, `"1TiB"` to bytes within the bounds. */
export function byteSize(bounds: { readonly min: string; readonly max: string }) {
  return scaled(bounds, byteUnits, 'a size such as "512B", "64KiB", "64MiB" or "2GiB"');
}

/**
 * Reads a PIN, password or key from its file, without one newline at its end. Throws
 * SECRET_UNREADABLE, SECRET_TOO_OPEN (others may read it, and it is no systemd credential),
 * SECRET_TOO_LONG, SECRET_EMPTY.
 */
export function readSecretFile(path: string): string {
  const file = resolve(path);
  const refuse = (code: string, what: string, cause?: unknown) =>
    new OperationalError(code, `The secret file ${file} ${what}.`, { details: { file }, cause });
  let bytes: Uint8Array;
  let mode: number;
  try {
    // Without waiting: a FIFO in its place would hold up the start for ever.
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = fstatSync(descriptor);
      if (!status.isFile()) throw new Error("not a regular file");
      mode = status.mode;
      const buffer = new Uint8Array(secretBytesMax + 1);
      bytes = buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw refuse("SECRET_UNREADABLE", "cannot be read: check its path and its owner", cause);
  }
  if ((mode & 0o077) !== 0 && !file.startsWith(`/run/credentials${sep}`))
    throw refuse("SECRET_TOO_OPEN", "can be read by others: set its mode to 0600");
  if (bytes.length > secretBytesMax)
    throw refuse("SECRET_TOO_LONG", `is longer than ${secretBytesMax} bytes`);
  const text = fromUtf8(bytes)?.replace(/\r?\n$/, "");
  if (text === undefined) throw refuse("SECRET_UNREADABLE", "is not UTF-8 text");
  if (text === "") throw refuse("SECRET_EMPTY", "is empty");
  return text;
}

const durationUnits: Units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const byteUnits: Units = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

type Units = Readonly<Record<string, number>>;

function scaled(
  bounds: { readonly min: string; readonly max: string },
  units: Units,
  what: string,
) {
  const [min, max] = [toNumber(bounds.min, units), toNumber(bounds.max, units)];
  return z.string({ error: `must be ${what}` }).transform((text, context) => {
    const value = toNumber(text, units);
    if (value !== undefined && value >= (min ?? 0) && value <= (max ?? 0)) return value;
    const message =
      value === undefined ? `must be ${what}` : `must be from ${bounds.min} to ${bounds.max}`;
    context.issues.push({ code: "custom", message, input: text });
    return z.NEVER;
  });
}

function toNumber(text: string, units: Units): number | undefined {
  const match = /^(\d{1,12})([A-Za-z]{1,3})$/.exec(text);
  const unit = Object.hasOwn(units, match?.[2] ?? "") ? units[match?.[2] ?? ""] : undefined;
  if (match === null || unit === undefined) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}

function readConfig(file: string): string {
  const refuse = (what: string, cause?: unknown) =>
    new OperationalError("CONFIG_UNREADABLE", `The configuration ${file} ${what}.`, {
      details: { file },
      cause,
    });
  let bytes: Uint8Array;
  try {
    if (!statSync(file).isFile()) throw new Error("not a regular file");
    bytes = readFileSync(file);
  } catch (cause) {
    throw refuse("cannot be read: check its path and its owner", cause);
  }
  if (bytes.length > configBytesMax) throw refuse(`is longer than ${configBytesMax} bytes`);
  const text = fromUtf8(bytes);
  if (text === undefined) throw refuse("is not UTF-8 text");
  return text;
}

function parseToml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    // The parser's own message quotes the lines around, values and all.
    const where = error instanceof TomlError ? `line ${error.line}, column ${error.column}` : "";
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
    throw new OperationalError(
      "CONFIG_INVALID",
      `${file} is not TOML at ${where || "some line"}: ${reason.replace(/^Invalid TOML document: /, "")}.`,
      { details: { file } },
    );
  }
}

function sentences(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[]): readonly string[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === "unrecognized_keys")
    return issue.keys.map(
      (key) => `${keyPath([...path, key])} is no known key: correct or remove it`,
    );
  if (issue.code === "invalid_union") {
    // Of several forms, speak of the one that came closest: fewest faults.
    const closest = [...issue.errors].sort((a, b) => a.length - b.length)[0] ?? [];
    if (closest.length > 0) return closest.flatMap((inner) => sentences(inner, path));
  }
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined"))
    return [`${keyPath(path)} is missing: add it (${issue.expected})`];
  const text = issue.message.replace(/^Invalid (input|option): /, "").replace(/^Too /, "too ");
  return [`${keyPath(path)}: ${text}`];
}

function keyPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${String(part).slice(0, 64)}`;
  }
  return text === "" ? "the file" : text;
}

function freezeDeeply<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const child of Object.values(value)) freezeDeeply(child);
  return Object.freeze(value);
}
