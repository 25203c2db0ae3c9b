import { expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { encodeEnrolmentRequest } from "./enrolment.ts";
import { rotationFileBytesMax } from "./limits.ts";
import { encodeRotationFile, isRotationRequestFile, parseRotationFile } from "./rotation-files.ts";

const file = { device: name("box-1"), message: Uint8Array.of(1, 2, 3) };

test.each(["request", "answer"] as const)("a file with a %s is read as it was written", (kind) => {
  const text = encodeRotationFile(kind, file);
  expect(parseRotationFile(kind, text)).toEqual({ ok: true, value: file });
  expect(isRotationRequestFile(text)).toBe(kind === "request");
});

test("a request for a first key is none for another one", () => {
  const bytes = Uint8Array.of(1);
  const text = encodeEnrolmentRequest({ ...file, keyKind: "file", signing: bytes, tls: bytes });
  expect(isRotationRequestFile(text)).toBe(false);
  expect(parseRotationFile("request", text)).toMatchObject({ ok: false });
});

test.each([
  ["of the other kind", encodeRotationFile("answer", file), "ENROLMENT_MALFORMED", "tamga"],
  [
    "of a newer version",
    encodeRotationFile("request", file).replace("request/1", "request/2"),
    "ENROLMENT_VERSION_UNKNOWN",
    "tamga",
  ],
  ["without a device", '{"tamga":"key-rotation-request/1","message":"AQ=="}', undefined, "device"],
  [
    "with a field more",
    encodeRotationFile("request", file).replace("{", '{"more":1,'),
    "ENROLMENT_MALFORMED",
    "more",
  ],
  [
    "with a message that is too long",
    encodeRotationFile("request", { ...file, message: new Uint8Array(rotationFileBytesMax + 1) }),
    "ENROLMENT_MALFORMED",
    "message",
  ],
  ["that is no JSON", "{", "ENROLMENT_MALFORMED", ""],
])("a file %s is refused", (_, text, code = "ENROLMENT_MALFORMED", field) => {
  expect(parseRotationFile("request", text)).toEqual({ ok: false, fault: { code, field } });
});

test("the longest message fits", () => {
  const longest = { ...file, message: new Uint8Array(rotationFileBytesMax) };
  expect(parseRotationFile("answer", encodeRotationFile("answer", longest)).ok).toBe(true);
});
