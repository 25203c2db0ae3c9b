/** Evidence of a made TPM and results over it, the same in every run. */

import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, u32, utf8 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import type { BootEvent } from "@tamga/ledger-core/tpm/event-log";
import { replayEventLog } from "@tamga/ledger-core/tpm/event-log";
import type { TpmClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { EvidenceBank, EvidenceClaims } from "@tamga/ledger-core/wire/attestation-evidence";
import { encodeEvidence, quoteQualifier } from "@tamga/ledger-core/wire/attestation-evidence";
import type { AttestationResult } from "@tamga/ledger-core/wire/attestation-result";
import { encodeSignedResult, prepareResult } from "@tamga/ledger-core/wire/attestation-result";
import { fixedKey } from "./fixed-key.ts";
import { MadeTpm } from "./made-quote.ts";
import { name } from "./wire-samples.ts";

const { sha256 } = tpmAlgorithms;
export const madeTpm = new MadeTpm();
export const gatewayKey = fixedKey("ES256", "appraising gateway");
export const nonce = Uint8Array.from({ length: 16 }, (_, at) => at + 1);

/** The first event of a crypto agile log with one SHA-256 bank, then one action for each text. */
export function bootLog(texts: readonly string[]): Uint8Array {
  const little16 = (value: number) => Uint8Array.of(value & 255, value >> 8);
  const little32 = (value: number) => u32(value).reverse();
  const content = concat(
    utf8("Spec ID Event03\0"),
    ...[u32(0), Uint8Array.of(0, 2, 0, 2), little32(1), little16(sha256), little16(32)],
    Uint8Array.of(0),
  );
  const first = [little32(0), little32(3), new Uint8Array(20), little32(content.length), content];
  const events = texts.map((text) => {
    const said = utf8(text);
    const digests = concat(little32(1), little16(sha256), nobleCrypto.sha256(said));
    return concat(little32(7), little32(5), digests, little32(said.length), said);
  });
  return concat(...first, ...events);
}

export const bootTexts = ["secure boot is on", "a loader", "a kernel"];

/** PCR 7 as the log of these texts leaves it, and PCR 23 with nothing in it. */
export function banksOf(texts: readonly string[]): readonly EvidenceBank[] {
  const events = texts.map((text): BootEvent => {
    const content = utf8(text);
    return { pcr: 7, type: 5, digests: new Map([[sha256, nobleCrypto.sha256(content)]]), content };
  });
  const replayed = replayEventLog(events, { hash: sha256, digest: nobleCrypto.sha256 });
  const at = (index: number) => ({ index, value: replayed[index] ?? new Uint8Array(32) });
  return [{ hash: sha256, values: [at(7), at(23)] }];
}

const log = bootLog(bootTexts);
export const claims: EvidenceClaims = {
  device: name("meter-box-1"),
  issuedAt: 1_780_000_000,
  nonce,
  bootId: Uint8Array.from({ length: 16 }, (_, at) => 0xf0 + at),
  agentVersion: "0.1.0",
  eventLog: { length: log.length, digest: nobleCrypto.sha256(log) },
  checkpoint: { size: 12n, root: nobleCrypto.sha256(utf8("a root")) },
  streams: [
    {
      stream: name("p1"),
      incarnation: new Uint8Array(16).fill(1),
      next: 42n,
      last: nobleCrypto.sha256(utf8("a statement")),
    },
    { stream: name("tags"), incarnation: new Uint8Array(16).fill(2), next: 0n },
  ],
};
export const clockInfo: TpmClockInfo = {
  clock: 5_000n,
  resetCount: 3,
  restartCount: 0,
  safe: true,
};

/** Evidence of these claims, quoted by a TPM with these values. */
export function evidenceOf(
  changes: {
    readonly claims?: EvidenceClaims;
    readonly banks?: readonly EvidenceBank[];
    readonly clockInfo?: Partial<TpmClockInfo>;
    readonly tpm?: MadeTpm;
  } = {},
): Uint8Array {
  const { claims: said = claims, banks = banksOf(bootTexts), tpm = madeTpm } = changes;
  const quote = tpm.quote(quoteQualifier(nobleCrypto, said), banks, {
    ...clockInfo,
    ...changes.clockInfo,
  });
  return encodeEvidence({ ...said, quote, banks });
}

export const result: AttestationResult = {
  device: claims.device,
  issuedAt: 1_780_000_060,
  appraiser: { developer: "Tamga", build: "0.1.0" },
  nonce,
  evidence: nobleCrypto.sha256(evidenceOf()),
  references: mint<Digest>(nobleCrypto.sha256(utf8("reference values"))),
  modules: {
    agent: {},
    platform: { "instance-identity": 2, executables: 3, hardware: 2 },
  },
};

/** Signed by {@link gatewayKey}. */
export function signedResult(said: AttestationResult = result): Uint8Array {
  const { algorithm, publicKey } = gatewayKey;
  const kid = thumbprint(nobleCrypto.sha256, publicKey);
  const prepared = prepareResult(said, { algorithm, kid });
  return encodeSignedResult(prepared, gatewayKey.sign(prepared.toBeSigned));
}
