/** `tamga-gateway attest appraise|values`: an operator appraises the evidence of a device that came as a file. */

import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { eventLogBytesMax } from "@tamga/ledger-core/tpm/event-log";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { parseEvidence } from "@tamga/ledger-core/wire/attestation-evidence";
import type { AttestationResult } from "@tamga/ledger-core/wire/attestation-result";
import {
  appraisedModules,
  encodeSignedResult,
  prepareResult,
  statusOf,
} from "@tamga/ledger-core/wire/attestation-result";
import type { TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { evidenceBytesMax } from "@tamga/ledger-core/wire/limits";
import type { Command } from "commander";
import { appraiserId } from "./appraisal/conclude.ts";
import type { Appraisal } from "./attestation/appraise.ts";
import { appraise } from "./attestation/appraise.ts";
import { verifyQuote } from "./attestation/verify-quote.ts";
import { addAttestationCommands } from "./attestation-commands.ts";
import { channelOfDevice } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { readGatewayConfig } from "./config.ts";
import { createLaneSigner } from "./lane/lane-signer.ts";
import { readReferenceFile, requirePcrs } from "./reference-file.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import { pathsOf } from "./site/site.ts";

type AppraiseOptions = {
  readonly reference: string;
  readonly log?: string | false;
  readonly nonce?: string;
  readonly asked?: string;
  readonly out?: string;
  readonly json?: boolean;
};

type Details = Readonly<Record<string, string | number | boolean>>;

export function addAttestCommand(
  program: Command,
  where: () => { readonly config?: string; readonly data?: string },
  finish: (exitCode: ExitCode) => void,
): void {
  const command = program.command("attest").description("in which state devices are");
  addAttestationCommands(command, where);
  command
    .command("appraise")
    .description(
      "hold a device's evidence to reference values; 0 where what booted is affirmed, else 1",
    )
    .argument("<evidence>", "the file that the device wrote")
    .requiredOption("--reference <file>", "reference values (TOML)")
    .option(
      "--log <file>",
      "boot event log; by default the file beside the evidence with .log behind",
    )
    .option("--no-log", "without a boot event log")
    .option("--nonce <hex>", "that the device was asked with")
    .option("--asked <time>", "when it was asked, as 2026-05-01T12:00:00Z; with --nonce")
    .option("--out <file>", "the result (EAR), signed by this gateway")
    .option("--json", "one JSON object")
    .action((file: string, options: AppraiseOptions) => {
      finish(appraiseFile(readGatewayConfig(where()), file, options));
    });
  command
    .command("values")
    .description("reference values as the evidence of a device that is known to be good shows them")
    .argument("<evidence>", "the file that the device wrote")
    .action((file: string) => {
      process.stdout.write(valuesOf(readGatewayConfig(where()), file));
    });
}

function appraiseFile(config: GatewayConfig, file: string, options: AppraiseOptions): ExitCode {
  const bytes = readBounded(file, evidenceBytesMax);
  const references = readReferenceFile(options.reference);
  requirePcrs(references);
  const { device, claim } = knownDevice(config, parsed(bytes, file));
  const log = logOf(file, options);
  const asked = askedOf(options);
  const judged = appraise(nodeCrypto, bytes, {
    references,
    context: {
      device,
      attestationKey: claim.attestationKey,
      // A claim is in the registry only where its maker's chain was verified at enrolment.
      isEndorsed: true,
      now: Math.floor(new SystemClock().now() / 1_000),
      ...(asked === undefined ? {} : { asked }),
      ...(log === undefined ? {} : { log }),
      appraiser: appraiserId,
    },
  });
  if (!judged.ok) throw refused(judged.fault.code, { ...judged.fault, device });
  if (options.out !== undefined) writeFileSync(options.out, signed(config, judged.value.result));
  process.stdout.write(options.json === true ? asJson(judged.value) : asText(judged.value, log));
  const isAffirmed = statusOf(judged.value.result.modules.platform) === "affirming";
  return isAffirmed ? exitCodes.done : exitCodes.invalid;
}

function asText({ result, findings, quote }: Appraisal, log: Uint8Array | undefined): string {
  const { resetCount, restartCount, safe } = quote.clockInfo;
  const lines = [
    `device ${result.device}: quote by the attestation key that it was enrolled with`,
    ...appraisedModules.map((module) => `${module}: ${statusOf(result.modules[module])}`),
    ...findings.map((finding) => `not approved: ${JSON.stringify(finding)}`),
    `TPM: ${resetCount} resets, ${restartCount} restarts since, clock ${safe ? "safe" : "unsafe"}`,
    `reference values sha256:${toHex(result.references)}`,
    log === undefined
      ? "not checked: a boot event log; the agent's own code, which nothing measured"
      : "the boot event log replays to the PCRs; not checked: the agent's own code, which nothing measured",
    ...(result.nonce === undefined
      ? ["not checked: that the evidence is fresh beyond the device's own clock; ask with a nonce"]
      : []),
  ];
  return `${lines.join("\n")}\n`;
}

function asJson({ result, findings, quote }: Appraisal): string {
  const status = appraisedModules.map((module) => [module, statusOf(result.modules[module])]);
  const { clock, resetCount, restartCount, safe } = quote.clockInfo;
  return `${JSON.stringify({
    device: result.device,
    issuedAt: result.issuedAt,
    status: Object.fromEntries(status),
    findings,
    evidence: toHex(result.evidence),
    references: toHex(result.references),
    tpm: { clock: String(clock), resetCount, restartCount, safe },
  })}\n`;
}

function signed(config: GatewayConfig, result: AttestationResult): Uint8Array {
  const { gatewayKey } = pathsOf(channelOfDevice(config, result.device));
  const signer = createLaneSigner(nodeCrypto, createPrivateKey(readFileSync(gatewayKey)));
  const prepared = prepareResult(result, signer);
  return encodeSignedResult(prepared, signer.sign(prepared.toBeSigned));
}

/** Lists the quoted values of the SHA-256 bank once the quote was verified. */
function valuesOf(config: GatewayConfig, file: string): string {
  const evidence = parsed(readBounded(file, evidenceBytesMax), file);
  const { device, claim } = knownDevice(config, evidence);
  const verified = verifyQuote(nodeCrypto, evidence, claim.attestationKey);
  if (!verified.ok) throw refused(verified.fault.code, { device });
  const bank = evidence.banks.find(({ hash }) => hash === tpmAlgorithms.sha256);
  const pcrs = (bank?.values ?? []).map(({ index, value }) => `${index} = ["${toHex(value)}"]`);
  return `# As ${device} was on ${new Date(evidence.issuedAt * 1_000).toISOString()}. Leave out what an update may change.
max_age = "1d"
agent_versions = ["${evidence.agentVersion.replace(/[^A-Za-z0-9.+_-]/g, "?")}"]

[pcrs]
${pcrs.join("\n")}
`;
}

function parsed(bytes: Uint8Array, file: string): Evidence {
  const evidence = parseEvidence(bytes);
  if (!evidence.ok) throw refused(evidence.fault.code, { file });
  return evidence.value;
}

function knownDevice(config: GatewayConfig, { device }: Evidence) {
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    if (registry.keysOf(device).some(({ revoked }) => revoked !== undefined))
      throw refused("DEVICE_REVOKED", { device });
    const claim: TpmClaim | undefined = registry.tpmOf(device);
    if (claim !== undefined) return { device, claim };
  } finally {
    registry.close();
  }
  throw refused("ATTESTATION_KEY_UNKNOWN", { device });
}

function logOf(file: string, { log }: AppraiseOptions): Uint8Array | undefined {
  if (log === false) return undefined;
  const beside = log ?? `${file}.log`;
  if (log === undefined && !existsSync(beside)) return undefined;
  return readBounded(beside, eventLogBytesMax);
}

function askedOf({ nonce: text, asked }: AppraiseOptions) {
  if (text === undefined && asked === undefined) return undefined;
  const nonce = fromHex(text?.toLowerCase() ?? "");
  const at = Date.parse(asked ?? "");
  if (nonce === undefined || nonce.length === 0 || Number.isNaN(at))
    throw new OperationalError(
      "USAGE_NONCE",
      "Give the nonce in hexadecimal and when it was drawn: --nonce 0011… --asked 2026-05-01T12:00:00Z.",
    );
  return { nonce, at: Math.floor(at / 1_000) };
}

const sentences: Readonly<Record<string, string>> = {
  ATTESTATION_KEY_UNKNOWN:
    "this device was not enrolled with a TPM whose maker the site knows: enrol it with a tpm: key",
  DEVICE_REVOKED: "the device was revoked, for ever",
  EVENT_LOG_MISSING:
    "the reference values judge events, and there is no boot event log: give --log FILE",
  EVENT_LOG_NOT_OF_PCRS:
    "the boot event log does not replay to the quoted PCRs: it was changed, or is another boot's",
  EVENT_LOG_OTHER: "the boot event log is not the one that the evidence names",
  EVIDENCE_NONCE_MISSING:
    "the evidence answers no nonce: run tamga-agent attest --nonce with this one",
  EVIDENCE_NONCE_UNASKED: "the evidence answers a nonce: give it, and when it was drawn",
  EVIDENCE_NONCE_WRONG: "the evidence answers another nonce",
  EVIDENCE_PCR_MISSING:
    "a PCR of the reference values was not quoted: run tamga-agent attest with --pcrs",
  EVIDENCE_TOO_OLD:
    "the evidence is older than max_age of the reference values: let the device attest again",
  EVIDENCE_FROM_FUTURE: "the device's clock is ahead: ask it with a nonce",
  QUOTE_CLOCK_UNSAFE:
    "the TPM's clock may have gone back since a power cut: ask the device with a nonce",
  QUOTE_OTHER_KEY:
    "another TPM quoted: the disk of this device is in another box, or it was enrolled anew elsewhere",
  QUOTE_SIGNATURE_WRONG: "the quote was changed after it was signed",
  QUOTE_NOT_BOUND: "claims were changed beside the quote",
  QUOTE_PCR_DIGEST_WRONG: "the PCR values are not those that were quoted",
};

function refused(code: string, details: Details): OperationalError {
  const sentence = sentences[code] ?? "it cannot be read as evidence of this device";
  const name = String(details["device"] ?? details["file"] ?? "");
  return new OperationalError(code, `The evidence of ${name} is refused: ${sentence}.`, {
    details,
  });
}
