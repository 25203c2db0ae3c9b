/** `tamga-agent attest`: evidence of what this box booted, as a file, for a gateway's operator to appraise. */

import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fromHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { bootId, deadline, SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { eventLogBytesMax } from "@tamga/ledger-core/tpm/event-log";
import { attestationNonceBytesMax } from "@tamga/ledger-core/wire/limits";
import type { Command } from "commander";
import type { AgentConfig } from "./config.ts";
import { loadAgentConfig } from "./config.ts";
import type { ConfigOptions } from "./config-path.ts";
import { configPath } from "./config-path.ts";
import { deviceFile } from "./identity/device-files.ts";
import { readDeviceRecord } from "./identity/device-identity.ts";
import { attestMsMax } from "./limits-daemon.ts";
import { checkpointOf, streamHeadsOf } from "./outbox/outbox-heads.ts";
import { outboxMigrations } from "./outbox/outbox-schema.ts";
import { keyInUse } from "./rotation/rotation-file.ts";
import { requireKeyUri } from "./signer/open-signer.ts";
import { transportOf } from "./signer/tpm-signer.ts";
import { bootPcrs, quoteEvidence } from "./tpm/quote-evidence.ts";
import { kernelLog } from "./tpm/tpm-evidence.ts";
import { agentVersion } from "./version.ts";

type AttestOptions = ConfigOptions & {
  readonly out: string;
  readonly nonce?: string;
  readonly pcrs?: string;
  readonly log?: string | false;
};

export function addAttestCommand(program: Command): void {
  program
    .command("attest")
    .description("write evidence of what this device booted: a TPM's quote over its PCRs")
    .option("--config <file>", "configuration")
    .option("--data <dir>", "data directory; its agent.toml is the configuration")
    .requiredOption("--out <file>", "the evidence; the boot event log goes beside it, in FILE.log")
    .option(
      "--nonce <hex>",
      "what the appraiser drew, 8 to 64 bytes; without it, age rests on this clock",
    )
    .option("--pcrs <list>", "PCRs of the SHA-256 bank, such as 0,2,4,7; 0 to 9 by default")
    .option("--log <file>", `the boot event log; the kernel's (${kernelLog}) by default`)
    .option("--no-log", "without a boot event log")
    .action((options: AttestOptions) => attest(loadAgentConfig(configPath(options)), options));
}

async function attest(config: AgentConfig, options: AttestOptions): Promise<void> {
  const uri = requireKeyUri(keyInUse(config));
  if (uri.scheme !== "tpm")
    throw new OperationalError(
      "KEY_NOT_IN_TPM",
      "Only a device whose signing key is a tpm: key attests: enrol it with one.",
    );
  const clock = new SystemClock();
  const { device } = readDeviceRecord(config.data_dir);
  const log = readLog(options, uri.at.kind === "device");
  const nonce = nonceOf(options.nonce);
  const state = {
    device,
    issuedAt: Math.floor(clock.now() / 1_000),
    ...(nonce === undefined ? {} : { nonce }),
    bootId: bootId(),
    agentVersion,
    ...outboxState(config),
  };
  const pcrs = pcrsOf(options.pcrs);
  const made = await quoteEvidence(
    transportOf(uri),
    { state, pcrs, log },
    { clock, signal: deadline(attestMsMax) },
  );
  writeFileSync(options.out, made.evidence);
  if (log !== undefined) writeFileSync(`${options.out}.log`, log);
  const emulated = made.isEmulated ? "; the TPM is an emulator, whose quotes prove nothing" : "";
  const beside = log === undefined ? "no boot event log" : `boot event log in ${options.out}.log`;
  process.stderr.write(
    `${options.out}: evidence of ${device}, PCRs ${pcrs.join(",")} of the SHA-256 bank, ${beside}${emulated}\n` +
      `the gateway's operator runs: tamga-gateway attest appraise ${options.out} --reference VALUES.toml\n`,
  );
}

/** An emulator's PCRs are not what this machine's firmware logged. */
function readLog({ log }: AttestOptions, isHardware: boolean): Uint8Array | undefined {
  if (log === false) return undefined;
  if (log === undefined && (!isHardware || !existsSync(kernelLog))) return undefined;
  return readBounded(log ?? kernelLog, eventLogBytesMax);
}

function outboxState(config: AgentConfig) {
  const file = deviceFile(config.data_dir, "outbox");
  if (!existsSync(file)) return { streams: [] };
  const database = openDatabase(file, { readonly: true, migrations: outboxMigrations });
  try {
    const checkpoint = checkpointOf(database);
    const streams = streamHeadsOf(database);
    return checkpoint === undefined ? { streams } : { streams, checkpoint };
  } finally {
    database.close();
  }
}

function nonceOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const nonce = fromHex(text.toLowerCase());
  if (nonce !== undefined && nonce.length >= 8 && nonce.length <= attestationNonceBytesMax)
    return nonce;
  throw new OperationalError("USAGE_NONCE", "A nonce is 8 to 64 bytes in hexadecimal.");
}

function pcrsOf(text: string | undefined): readonly number[] {
  if (text === undefined) return bootPcrs;
  const pcrs = [
    ...new Set(text.split(",").map((part) => (/^\d{1,2}$/.test(part) ? Number(part) : 99))),
  ];
  if (pcrs.every((pcr) => pcr < 24)) return pcrs.toSorted((a, b) => a - b);
  throw new OperationalError(
    "USAGE_PCRS",
    "PCRs are numbers from 0 to 23 with commas between: 0,2,4,7.",
  );
}
