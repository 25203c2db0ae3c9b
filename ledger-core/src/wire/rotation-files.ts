/** A request for another signing key and its answer as files, for boxes whose gateway is out of reach (WIRE.md §12.4). */

import { toBase64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import type { Identifier } from "./identifier.ts";
import type { EnrolmentFault } from "./json-file.ts";
import { parseFile, stringifyFile } from "./json-file.ts";
import { rotationFileBytesMax } from "./limits.ts";

/** `message` is what goes over the line: a rotation-message, or a renewed-message. */
export type RotationFile = { readonly device: Identifier; readonly message: Uint8Array };

const formats = {
  request: "key-rotation-request/1",
  answer: "key-rotation-answer/1",
} as const;

export function encodeRotationFile(
  kind: keyof typeof formats,
  { device, message }: RotationFile,
): string {
  return stringifyFile({ tamga: formats[kind], device, message: toBase64(message) });
}

/** Faults: ENROLMENT_*, with the field; the message is not opened. */
export function parseRotationFile(
  kind: keyof typeof formats,
  text: string,
): Result<RotationFile, EnrolmentFault> {
  return parseFile(text, [formats[kind]], (fields) => ({
    device: fields.identifier("device"),
    message: fields.bytes("message", rotationFileBytesMax),
  }));
}

/** Whether a file is a request for another key, and not one for a first. */
export function isRotationRequestFile(text: string): boolean {
  return /"tamga":\s*"key-rotation-request\//.test(text.slice(0, 256));
}
