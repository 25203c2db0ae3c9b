/** `tamga-gateway devices …`: what an operator does about devices, beside the running gateway. */

import { readFileSync, writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { printable } from "@tamga/ledger-core/receipt/printable";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { RevocationReason } from "@tamga/ledger-core/wire/channel-claims";
import { encodeChannelClaims, revocationReasons } from "@tamga/ledger-core/wire/channel-claims";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { Command } from "commander";
import { channelOfDevice } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { readGatewayConfig } from "./config.ts";
import { listDevices } from "./device-list.ts";
import { addInvitationCommands } from "./invitation-commands.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import type { SiteFacts } from "./registry/enrolment.ts";
import { approveEnrolment, judgeRequest, repeatAnswer } from "./registry/enrolment.ts";
import { answerText } from "./registry/seal-answer.ts";
import { readTpmRoots } from "./registry/tpm-roots.ts";
import { tpmSentences } from "./registry/tpm-sentences.ts";
import { approveNextKey } from "./rotation-commands.ts";
import { mqttPortOf } from "./site/address.ts";
import { openCa, pathsOf } from "./site/site.ts";
import { caSigner } from "./site/site-ledger.ts";

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
    .action(
      (device: string | undefined, options: { key?: string; request?: string; out?: string }) =>
        approve(readGatewayConfig(where()), { device, ...options }),
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
      revoke(readGatewayConfig(where()), { device, reason: options.reason }),
    );
}

async function approve(
  config: GatewayConfig,
  options: {
    readonly device: string | undefined;
    readonly key?: string;
    readonly request?: string;
    readonly out?: string;
  },
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
    const approved = await approveEnrolment({ ca, registry, tpmRoots }, facts, {
      request,
      now: clock.now(),
    });
    if (!approved.ok) throw refused(approved.fault.code, request.device);
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

async function revoke(
  config: GatewayConfig,
  options: { readonly device: string; readonly reason: string },
): Promise<void> {
  const device = parseDevice(options.device);
  const reason = revocationReasons.find((known) => known === options.reason);
  if (reason === undefined) {
    throw new OperationalError("USAGE_REASON", "The reason is `retired` or `compromised`.");
  }
  const now = new SystemClock().now();
  const ca = await openCa(config, now);
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    const statements = [];
    const view = channelOfDevice(config, device);
    for (const { kid } of registry.keysOf(device)) {
      statements.push({
        kid,
        statement: await signRevocation(view, caSigner(ca), { device, kid, reason, since: now }),
      });
    }
    const revoked = registry.revoke(device, { reason, since: now }, statements);
    if (!revoked.ok) throw refused(revoked.fault.code, device);
    process.stderr.write(
      `revoked ${device} (${reason}); the running gateway brings it to the ledger\n`,
    );
  } finally {
    registry.close();
  }
}

async function signRevocation(
  config: GatewayConfig,
  signer: ReturnType<typeof caSigner>,
  claims: {
    readonly device: Identifier;
    readonly kid: Parameters<typeof toHex>[0] & ReturnType<typeof thumbprint>;
    readonly reason: RevocationReason;
    readonly since: ReturnType<SystemClock["now"]>;
  },
): Promise<Uint8Array> {
  const subject = parseIdentifier("channel");
  if (!subject.ok) throw refused(subject.fault.code, "channel");
  const unsigned = prepareStatement(
    {
      algorithm: signer.publicKey.algorithm,
      kid: thumbprint((bytes) => nodeCrypto.sha256(bytes), signer.publicKey),
      type: "device",
      channel: config.channel,
      issuer: config.organisation,
      subject: subject.value,
      issuedAt: Math.floor(claims.since / 1_000),
    },
    encodeChannelClaims({ kind: "device", ...claims }),
  );
  return finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
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

function parseDevice(text: string): Identifier {
  const parsed = parseIdentifier(text);
  if (parsed.ok) return parsed.value;
  throw new OperationalError(
    "USAGE_DEVICE_BAD",
    "A device id has 1 to 64 of the characters A-Z a-z 0-9 . _ -",
  );
}

const sentences: Readonly<Record<string, string>> = {
  DEVICE_UNKNOWN: "is not known here: let it enrol first",
  DEVICE_REVOKED: "was revoked, for ever: enrol it under another id",
  DEVICE_KEYS_FULL: "has as many keys as it may: revoke it, or use one that it has",
  DEVICE_KEY_TAKEN:
    "has the key of another device, as a copied card has: make new keys on it and enrol it again",
  ENROLMENT_OTHER_KEY: "asks with another key: see `devices list`; nothing was approved",
  CSR_KEYS_EQUAL: "has one key for statements and TLS: give it two and enrol it again",
  CSR_KEY_UNSUPPORTED: "has a key of a kind that nobody verifies: use P-256, Ed25519 or RSA",
  CSR_SIGNATURE_WRONG: "sent a request that its key did not sign: enrol it again",
  CSR_WRONG_NAME: "sent a request under another name: enrol it again",
};

/** @param issuer of the last certificate that was found, which is where to look for the maker's root. */
function refused(code: string, what: string, issuer = ""): OperationalError {
  const tpm = tpmSentences[code];
  const named = issuer === "" ? "" : ` Its chain ends at: ${printable(issuer)}.`;
  if (tpm !== undefined) return new OperationalError(code, `${what} was refused. ${tpm}${named}`);
  return new OperationalError(code, `${what} ${sentences[code] ?? "was refused"}.`);
}
