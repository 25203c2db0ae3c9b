/**
 * Which key is in use, and how far its replacement has come: `rotation.json`, which the running agent alone writes,
 * and `next-key.json`, by which an operator's command asks it.
 */

import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { fromBase64, fromHex, toBase64, toHex } from "@tamga/ledger-core/base/bytes";
import type { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { fsyncDirectory } from "@tamga/ledger-core/daemon/state-dir";
import { chainLengthMax } from "@tamga/ledger-core/wire/limits";
import { z } from "zod";
import { deviceFile, unreadable, writeDeviceFile } from "../identity/device-files.ts";
import { earlierKeysMax, rotationRecordBytesMax } from "../limits-daemon.ts";

/**
 * `asking`: `to` has no certificate yet, and `key` signs. `proving`: `to` is `key`, it signs, and no statement of it
 * has a final receipt yet. `done`: one has, and `from` is needed no more. `back`: `from` could not be used after all,
 * before any receipt, and `key` is the one from before it.
 */
export type RotationStep =
  | {
      readonly phase: "asking";
      readonly to: string;
      readonly toKid: Uint8Array;
      /** The exact message: it is made once. */
      readonly request: Uint8Array;
    }
  | {
      readonly phase: "proving";
      readonly from: string;
      readonly fromKid: Uint8Array;
      readonly toKid: Uint8Array;
      /** Certificates of the new key: this file is what makes it the one in use, other files follow. */
      readonly signing: readonly Uint8Array[];
      readonly tls: readonly Uint8Array[];
      /** Of the old key, for the way back. */
      readonly oldSigning: readonly Uint8Array[];
      /** The new key signed nothing up to this place of the outbox. */
      readonly after: number;
    }
  | {
      readonly phase: "done";
      readonly from: string;
      readonly fromKid: Uint8Array;
      readonly toKid: Uint8Array;
    }
  | {
      readonly phase: "back";
      readonly from: string;
      readonly fromKid: Uint8Array;
      readonly toKid: Uint8Array;
      readonly signing: readonly Uint8Array[];
    };

export type RotationRecord = {
  /** URI of the key in use. */
  readonly key: string;
  /** Keys before it, newest last: agent.toml may still name one of them. */
  readonly earlier: readonly string[];
  /** Of the key beside which the key of encrypted readings lies, where that is another one. */
  readonly restKey?: string;
  readonly step: RotationStep | undefined;
};

/** What an operator wants: another key, no longer another one, or the one from before. */
export type NextKey = { readonly to: string } | { readonly cancel: true } | { readonly back: true };

const bytes = z.string().transform((text, context) => {
  const decoded = fromBase64(text);
  if (decoded !== undefined) return decoded;
  context.issues.push({ code: "custom", message: "must be base64", input: text });
  return z.NEVER;
});
const kid = z.string().transform((text, context) => {
  const decoded = text.length === 64 ? fromHex(text) : undefined;
  if (decoded !== undefined) return decoded;
  context.issues.push({ code: "custom", message: "must be a thumbprint", input: text });
  return z.NEVER;
});
const chain = z.array(bytes).min(1).max(chainLengthMax);
const replaced = { from: z.string(), fromKid: kid, toKid: kid };

const recordSchema = z.strictObject({
  tamga: z.literal("key-rotation/1"),
  key: z.string(),
  earlier: z.array(z.string()).max(earlierKeysMax),
  restKey: z.string().optional(),
  step: z
    .discriminatedUnion("phase", [
      z.strictObject({ phase: z.literal("asking"), to: z.string(), toKid: kid, request: bytes }),
      z.strictObject({
        phase: z.literal("proving"),
        ...replaced,
        signing: chain,
        tls: chain,
        oldSigning: chain,
        after: z.int().min(0),
      }),
      z.strictObject({ phase: z.literal("back"), ...replaced, signing: chain }),
      z.strictObject({ phase: z.literal("done"), ...replaced }),
    ])
    .nullable(),
});

const nextSchema = z.union([
  z.strictObject({ tamga: z.literal("next-key/1"), to: z.string() }),
  z.strictObject({ tamga: z.literal("next-key/1"), cancel: z.literal(true) }),
  z.strictObject({ tamga: z.literal("next-key/1"), back: z.literal(true) }),
]);

/** Undefined where no key was ever replaced. @throws OperationalError IDENTITY_UNREADABLE */
export function readRotation(dataDir: string): RotationRecord | undefined {
  const parsed = readJson(deviceFile(dataDir, "rotation"), recordSchema);
  if (parsed === undefined) return undefined;
  const { key, earlier, restKey, step } = parsed;
  return { key, earlier, ...(restKey === undefined ? {} : { restKey }), step: step ?? undefined };
}

/** On disk when it returns. */
export function writeRotation(dataDir: string, record: RotationRecord): void {
  const { key, earlier, restKey, step } = record;
  const content = { tamga: "key-rotation/1", key, earlier, restKey, step: stepFields(step) };
  writeDeviceFile(dataDir, "rotation", `${JSON.stringify(content, undefined, 2)}\n`);
}

function stepFields(step: RotationStep | undefined) {
  if (step === undefined) return null;
  const toKid = toHex(step.toKid);
  if (step.phase === "asking") return { ...step, toKid, request: toBase64(step.request) };
  const kids = { fromKid: toHex(step.fromKid), toKid };
  if (step.phase === "done") return { ...step, ...kids };
  const signing = step.signing.map(toBase64);
  if (step.phase === "back") return { ...step, ...kids, signing };
  const [tls, oldSigning] = [step.tls, step.oldSigning].map((ders) => ders.map(toBase64));
  return { ...step, ...kids, signing, tls, oldSigning };
}

/** What an operator asks for, until it is taken. @throws OperationalError IDENTITY_UNREADABLE */
export function readNextKey(dataDir: string): NextKey | undefined {
  return readJson(deviceFile(dataDir, "nextKey"), nextSchema);
}

export function writeNextKey(dataDir: string, next: NextKey): void {
  const content = { tamga: "next-key/1", ...next };
  writeDeviceFile(dataDir, "nextKey", `${JSON.stringify(content, undefined, 2)}\n`);
}

/** It was taken: what became of it is on disk already. */
export function forgetNextKey(dataDir: string): void {
  rmSync(deviceFile(dataDir, "nextKey"), { force: true });
  fsyncDirectory(dataDir);
}

/**
 * The URI of the key in use. The configuration names the first one for as long as nobody edits it; one that no
 * rotation knows is the operator's own choice, and wins.
 */
export function keyInUse(
  config: { readonly data_dir: string; readonly key: string },
  record: RotationRecord | undefined = readRotation(config.data_dir),
): string {
  return record?.earlier.includes(config.key) === true ? record.key : config.key;
}

/**
 * The list of replaced keys once `from` gives way to `to`: at most {@link earlierKeysMax}. The first stays, since it is
 * the one that agent.toml most likely names.
 */
export function earlierWith(
  earlier: readonly string[],
  { from, to }: { readonly from: string; readonly to: string },
): readonly string[] {
  const all = [...earlier.filter((uri) => uri !== to && uri !== from), from];
  return all.length > earlierKeysMax ? all.toSpliced(1, all.length - earlierKeysMax) : all;
}

function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    if (statSync(file).size > rotationRecordBytesMax) throw bad(file);
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    if (parsed.success) return parsed.data;
  } catch (cause) {
    throw bad(file, cause);
  }
  throw bad(file);
}

function bad(file: string, cause?: unknown): OperationalError {
  return unreadable(file, "cannot be read", cause);
}
