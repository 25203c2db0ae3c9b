/** Says in plain lines what a verified receipt proves, and what it does not. */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { UnixMillis } from "../base/time.ts";
import { dlmsUnits, formatQuantity } from "../wire/quantity.ts";
import type { Reading, RegisterValue, TagObservation } from "../wire/reading.ts";
import { formatTime } from "./civil-time.ts";
import type { Language } from "./explain-fault.ts";
import { printable } from "./printable.ts";
import type { Phrases } from "./receipt-phrases.ts";
import { phrases } from "./receipt-phrases.ts";
import type { Recovered } from "./sealers.ts";
import { groupedHex, organisationNames, trustPolicyDigest } from "./trust-policy.ts";
import type { MlDsaSeal } from "./verify-ml-dsa.ts";
import type { VerifiedReceipt } from "./verify-receipt.ts";

/**
 * The lines, most important first; values and texts stand indented. The last line always says who did not
 * sign. What came from a device is made harmless to print.
 */
export function describeReceipt(
  sha256: (bytes: Uint8Array) => Digest,
  receipt: VerifiedReceipt,
  language: Language,
): readonly string[] {
  const say = phrases[language];
  const { claims, final, policy, reading, signer, gateway } = receipt;
  const what = say.of(
    subjectOf(say, receipt),
    signer.name,
    `${policy.consortium}/${policy.channel}`,
  );
  const disclosed = reading !== undefined;
  const seal = final?.head.seal;
  const cosigners = seal?.organisations ?? [];
  const all = seal?.ofOrganisations ?? organisationNames(policy);
  return [
    final === undefined ? say.provisional(what) : say.valid(what),
    ...(isEmulated(receipt) ? [say.emulated] : []),
    final === undefined ? say.checkedProvisionally(disclosed) : say.checked(disclosed),
    say.notChecked(final?.head.seal.head.size),
    ...(claims.kind === "bundle" && claims.hash === "sm3" ? [say.sm3] : []),
    ...(receipt.statement.algorithm === "SM2-SM3" ? [say.sm2] : []),
    ...(reading === undefined ? [] : readingLines(say, reading.reading)),
    ...timeLines(say, receipt),
    say.signingKey(say.keyKinds[signer.keyKind ?? "unstated"], signer.name, signer.organisation),
    ...(final === undefined ? [] : [say.notRevoked(final.head.seal.head.size, final.revokedKeys)]),
    say.gateway(gateway.gateway, gateway.organisation),
    ...validityLines(say, receipt),
    say.organisations(cosigners.length, all.length, cosigners.join(", ")),
    ...(final?.mlDsa === undefined ? [] : [mlDsaLine(final.mlDsa, language)]),
    ...(seal === undefined || seal.epoch === 0 ? [] : [say.laterEpoch(seal.epoch)]),
    ...(seal?.recovered === undefined ? [] : [recoveredLine(seal.recovered, language)]),
    say.trustPolicy(groupedHex(trustPolicyDigest(sha256, policy))),
    say.lastLine,
  ];
}

/** That the channel was recovered, when, and by how many of its organisations. */
export function recoveredLine(recovered: Recovered, language: Language): string {
  const { time, size, signedBy, ofOrganisations } = recovered;
  const at = formatTime(time);
  return phrases[language].recovered(at, size, signedBy.length, ofOrganisations.length);
}

/** Who cosigned with a second key, and what this program could not check. */
export function mlDsaLine({ cosignatures, of, unchecked }: MlDsaSeal, language: Language): string {
  const names = cosignatures.map(({ validator }) => validator).join(", ");
  return phrases[language].mlDsa({ have: cosignatures.length, of, unchecked }, names);
}

function subjectOf(say: Phrases, { claims, reading }: VerifiedReceipt): string {
  switch (claims.kind) {
    case "bundle": {
      const { count } = claims.position.range;
      return reading === undefined ? say.bundle(count) : say.oneReading(reading.index, count);
    }
    case "rejection":
      return say.rejection(claims.device, printable(claims.code));
    case "result":
      return say.result(claims.device, claims.state, claims.codes.map(printable).join(", "));
    default:
      return say.kinds[claims.kind];
  }
}

function isEmulated({ claims, reading }: VerifiedReceipt): boolean {
  return reading?.reading.source.emulated === true || (claims.kind === "start" && claims.emulated);
}

function readingLines(say: Phrases, reading: Reading): readonly string[] {
  const { source, frameStatus, registers = [], tags = [], event, files = [] } = reading;
  return [
    say.source(source.stream, source.protocol, printable(source.id), printable(source.maker)),
    say.frame(frameStatus.checksum === "ok", frameStatus.decrypted, frameStatus.authenticated),
    ...registers.map((register) => `  ${describeRegister(register)}`),
    ...tags.map((tag) => `  ${describeTag(tag)}`),
    ...(event === undefined
      ? []
      : [event.bizStep, event.disposition, event.bizLocation, ...event.epcs].map(
          (text) => `  ${printable(text)}`,
        )),
    ...files.map(
      (file) => `  ${printable(file.name)} (${printable(file.mediaType)}, ${file.size} B)`,
    ),
  ];
}

/** `1-0:1.8.1*255 = 123456.789 kWh`: OBIS code (IEC 62056-6-1 §4) or name, value, unit. */
export function describeRegister({ key, value, captureTime }: RegisterValue): string {
  const label = "obis" in key ? obisText(key.obis) : printable(key.name);
  const text =
    "text" in value
      ? printable(value.text)
      : `${formatQuantity(value.quantity)} ${dlmsUnits[value.quantity.unit]}`.trimEnd();
  const time = captureTime === undefined ? "" : ` (${timeText(captureTime)})`;
  return `${label} = ${text}${time}`;
}

/** `A-B:C.D.E*F` (IEC 62056-6-1 §4). */
export function obisText(code: Uint8Array): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = code;
  return `${a}-${b}:${c}.${d}.${e}*${f}`;
}

function describeTag(tag: TagObservation): string {
  const where = tag.readPoint === undefined ? "" : ` @ ${printable(tag.readPoint)}`;
  const times = tag.count === undefined ? "" : ` ×${tag.count}`;
  return `${tag.scheme} ${printable(tag.uri)}${times}${where}`;
}

/** When it was captured, received, at the latest existed, and after what it was made. */
function timeLines(say: Phrases, { claims, reading, final }: VerifiedReceipt): readonly string[] {
  const lines: string[] = [];
  if (reading !== undefined) {
    const { captureTime, receiveTime, clock } = reading.reading;
    lines.push(
      captureTime === undefined
        ? say.notCaptured
        : say.captured(timeText(captureTime), captureTime.quality),
      say.received(formatTime(receiveTime), clock),
    );
  } else if (claims.kind === "bundle") {
    lines.push(say.receivedBetween(formatTime(claims.time.from), formatTime(claims.time.to)));
  } else if (claims.kind === "heartbeat") {
    lines.push(say.stated(formatTime(claims.now), claims.clock));
  } else if (claims.kind === "gap") {
    const ranges = claims.missing.map(
      ({ first, count }) => `${first}–${first + BigInt(count) - 1n}`,
    );
    lines.push(say.missing(ranges.join(", "), claims.reason));
  }
  if (final !== undefined) lines.push(say.notAfter(formatTime(final.notAfter)));
  if (claims.kind === "rejection") return lines;
  if (claims.kind === "result") {
    const { at, asked } = claims;
    return [...lines, say.concluded(formatTime(at), asked && formatTime(asked))];
  }
  const { attestation } = claims.position;
  if (attestation !== undefined) lines.push(say.heldResult(toHex(attestation)));
  const checkpoint = claims.position.checkpoint?.size;
  if (checkpoint === undefined) lines.push(say.madeAfterNothing);
  else
    lines.push(
      final === undefined ? say.madeAfterUnchecked(checkpoint) : say.madeAfter(checkpoint),
    );
  return lines;
}

function timeText(time: { readonly at: UnixMillis; readonly offsetMinutes: number }): string {
  return formatTime(time.at, time.offsetMinutes);
}

/** Certificates that were not valid at the cosignature time, each once. */
function validityLines(say: Phrases, { signer, gateway }: VerifiedReceipt): readonly string[] {
  const lines = [...signer.validityNotes, ...gateway.validityNotes].map((note) => {
    const { state, commonName, notAfter, notBefore } = note;
    const at = formatTime(state === "expired" ? notAfter : notBefore);
    return say.validity(note, printable(commonName), at);
  });
  return [...new Set(lines)];
}
