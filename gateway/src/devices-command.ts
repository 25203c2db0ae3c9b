/** `tamga-gateway devices …`: what an operator does about devices, beside the running gateway. */

import { readFileSync, writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { ChainFault } from "@tamga/ledger-core/receipt/certificate-chain";
import { printable } from "@tamga/ledger-core/receipt/printable";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import type { Command } from "commander";
import { channelOfDevice } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { readGatewayConfig } from "./config.ts";
import { listDevices } from "./device-list.ts";
import { parseDevice, refused } from "./device-refusal.ts";
import { addInvitationCommands } from "./invitation-commands.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import type { SiteFacts } from "./registry/enrolment.ts";
import { approveEnrolment, judgeKeys, judgeRequest, repeatAnswer } from "./registry/enrolment.ts";
import { certificateExtensions } from "./registry/organisation-certificate.ts";
import { readPemCertificates } from "./registry/pem-certificates.ts";
import { answerText } from "./registry/seal-answer.ts";
import { readTpmRoots } from "./registry/tpm-roots.ts";
import { revokeDevice } from "./revoke-device.ts";
import { approveNextKey } from "./rotation-commands.ts";
import { mqttPortOf } from "./site/address.ts";
import { openCa, pathsOf } from "./site/site.ts";

type Where = { readonly config?: string; readonly data?: string };

export function addDevicesCommand(program: Command, where: () => Where): void {
  const devices = program.command("devices").description("list, approve and revoke devices");
  devices
    .command("list")
    .description("devices that ask to be enrolled, and those that are")
    .option("--json", "one JSON object a line")
    .action((options: { json?: boolean }) => {
      withRegistry(readGatewayConfig(where()), (registry) => {
        listDevices(registry, options.json === true);
      });
    });
  devices
    .command("approve")
    .description("give a device its certificates, or one that it has that of its next key")
    .argument("[device]", "id of a device that asked over the network")
    .option("--key <hex>", "only if this is its key, as `devices list` shows it")
    .option("--request <file>", "the request file of a device that has no network")
    .option("--out <file>", "write the answer file for it; standard output by default")
    .option("--certificate <file>", "PEM chain that the organisation's own CA issued for its key")
    .action((device: string | undefined, options: ApproveOptions) =>
      approve(readGatewayConfig(where()), { device, ...options }),
    );
  devices
    .command("csr")
    .description(
      "write the request of a device's signing key for the organisation's own CA (PKCS#10)",
    )
    .argument("[device]", "id of a device that asked over the network")
    .option("--request <file>", "the request file of a device that has no network")
    .requiredOption("--out <file>", "PEM")
    .action((device: string | undefined, options: { request?: string; out: string }) =>
      writeRequest(readGatewayConfig(where()), { device, ...options }),
    );
  addInvitationCommands(devices, where);
  devices
    .command("drop")
    .description("forget what a device asked for; it may ask again")
    .argument("<device>")
    .action((device: string) => {
      withRegistry(readGatewayConfig(where()), (registry) => {
        const name = parseDevice(device);
        if (registry.rotations.drop(name, "ROTATION_DROPPED")) return;
        const dropped = registry.drop(name);
        if (!dropped.ok) throw refused(dropped.fault.code, device);
      });
    });
  devices
    .command("answer")
    .description("write the answer file of a device that was approved before")
    .argument("<device>")
    .option("--out <file>", "standard output by default")
    .action(async (device: string, options: { out?: string }) => {
      const config = readGatewayConfig(where());
      const ca = await openCa(config, new SystemClock().now());
      withRegistry(config, (registry) => {
        const answer = repeatAnswer(
          { ca, registry },
          siteFacts(channelOfDevice(config, device)),
          parseDevice(device),
        );
        if (!answer.ok) throw refused(answer.fault.code, device);
        writeAnswer(answerText(answer.value, registry.tpmOf(answer.value.device)), options.out);
      });
    });
  devices
    .command("revoke")
    .description("revoke every key of a device, for ever")
    .argument("<device>")
    .requiredOption("--reason <reason>", "retired, or compromised")
    .action((device: string, options: { reason: string }) =>
      revokeDevice(readGatewayConfig(where()), { device, reason: options.reason }),
    );
}

type ApproveOptions = {
  readonly key?: string;
  readonly request?: string;
  readonly out?: string;
  readonly certificate?: string;
};

async function approve(
  config: GatewayConfig,
  options: ApproveOptions & { readonly device: string | undefined },
): Promise<void> {
  const clock = new SystemClock();
  const ca = await openCa(config, clock.now());
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    const tpmRoots = readTpmRoots(config.enrolment.tpm_roots);
    const carried = options.request === undefined ? "" : readFileSync(options.request, "utf8");
    const siteOf = (device: string) => siteFacts(channelOfDevice(config, device));
    const asked = { ...options, carried, now: clock.now() };
    const next = await approveNextKey({ ca, registry, tpmRoots }, siteOf, asked);
    if (next !== undefined) {
      if (!next.ok) throw refused(next.fault.code, next.fault.what);
      if (next.value !== undefined) writeAnswer(next.value, options.out);
      return;
    }
    const request = readRequest(registry, options, carried);
    const judged = await judgeRequest(request, tpmRoots);
    if (!judged.ok) {
      const { fault } = judged;
      throw refused(
        fault.code,
        request.device,
        fault.code === "EK_MAKER_UNKNOWN" ? fault.issuer : "",
      );
    }
    const shown = toHex(judged.value.kid);
    if (options.key !== undefined && options.key.toLowerCase() !== shown)
      throw refused("ENROLMENT_OTHER_KEY", request.device);
    const facts = siteOf(request.device);
    const certificate = options.certificate && {
      organisation: config.organisation,
      chain: readPemCertificates([options.certificate]),
    };
    const approved = await approveEnrolment({ ca, registry, tpmRoots }, facts, {
      request,
      now: clock.now(),
      ...(certificate && { certificate }),
    });
    if (!approved.ok) {
      const { fault } = approved;
      const why = fault.code === "CERTIFICATE_CHAIN_BAD" ? whyNot(fault.cause) : "";
      throw refused(fault.code, request.device, why);
    }
    const { device, keyKind } = request;
    const kind = keyKind === "file" ? "file: software, not hardware" : keyKind;
    const { tpm } = judged.value;
    const vouched =
      tpm === undefined
        ? ""
        : `; in the TPM ${toHex(tpm.endorsement.fingerprint)} of ${tpm.endorsement.maker}, if that opens the answer`;
    process.stderr.write(
      `approved ${device} in channel ${facts.channel}, key ${shown}; by its own word: ${kind}${vouched}\n`,
    );
    if (options.request !== undefined || options.out !== undefined) {
      writeAnswer(answerText(approved.value, request.tpm), options.out);
    }
  } finally {
    registry.close();
  }
}

/** The stable code, and the algorithm where that is what nobody here verifies. */
function whyNot(fault: ChainFault): string {
  return "algorithm" in fault ? `${fault.code}: ${printable(fault.algorithm)}` : fault.code;
}

/** The very request that the device signed; the CA adds what the certificate has to say beyond it. */
async function writeRequest(
  config: GatewayConfig,
  options: { readonly device: string | undefined; readonly request?: string; readonly out: string },
): Promise<void> {
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    const carried = options.request === undefined ? "" : readFileSync(options.request, "utf8");
    const request = readRequest(registry, options, carried);
    const judged = await judgeKeys(request);
    if (!judged.ok) throw refused(judged.fault.code, request.device);
    const lines =
      Buffer.from(request.signing)
        .toString("base64")
        .match(/.{1,64}/g) ?? [];
    const label = "CERTIFICATE REQUEST";
    writeFileSync(
      options.out,
      `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`,
    );
    const { device, keyKind } = request;
    const { channel } = channelOfDevice(config, device);
    process.stderr.write(`key ${toHex(judged.value.kid)}; the certificate has to say:\n`);
    process.stdout.write(certificateExtensions({ device, channel, keyKind }));
  } finally {
    registry.close();
  }
}

function readRequest(
  registry: DeviceRegistry,
  options: { readonly device: string | undefined; readonly request?: string },
  carried: string,
) {
  if (options.request !== undefined) {
    const parsed = parseEnrolmentRequest(carried);
    if (!parsed.ok) throw refused(parsed.fault.code, options.request);
    return parsed.value;
  }
  if (options.device === undefined) {
    throw new OperationalError("USAGE_DEVICE_MISSING", "Name a device, or give --request FILE.");
  }
  const pending = registry.pending(parseDevice(options.device));
  if (pending === undefined) throw refused("DEVICE_UNKNOWN", options.device);
  return pending;
}

/** The port is the one that the gateway listens on, or else the configured one. */
function siteFacts(config: GatewayConfig): SiteFacts {
  const paths = pathsOf(config);
  const port = mqttPortOf(config, paths.address);
  let trust: string;
  try {
    trust = readFileSync(paths.trust, "utf8");
  } catch (cause) {
    const sentence = "This site has no trust policy yet: start the gateway once.";
    throw new OperationalError("SITE_NOT_STARTED", sentence, { cause });
  }
  return {
    channel: config.channel,
    gateway: config.gateway,
    uplink: config.mqtt.advertised.map((host) => `mqtts://${host}:${port}`),
    trust,
    certificateDays: config.certificates.device_days,
  };
}

function withRegistry(config: GatewayConfig, use: (registry: DeviceRegistry) => void): void {
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    use(registry);
  } finally {
    registry.close();
  }
}

function writeAnswer(text: string, out: string | undefined): void {
  if (out === undefined) process.stdout.write(text);
  else writeFileSync(out, text);
}
