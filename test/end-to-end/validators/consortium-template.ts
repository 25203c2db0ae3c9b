/**
 * Four organisations that agreed on a channel by the operator's own commands, each with an enrolled device:
 * made once, since every scenario begins with a copy of it.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readGatewayConfig } from "@tamga/gateway/config";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import { approveEnrolment } from "@tamga/gateway/registry/enrolment";
import { openCa, sitePaths } from "@tamga/gateway/site/site";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { EnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import {
  encodeEnrolmentAnswer,
  encodeEnrolmentRequest,
  parseEnrolmentAnswer,
  parseEnrolmentRequest,
} from "@tamga/ledger-core/wire/enrolment";
import { z } from "zod";
import type { DeviceKeys } from "../../support/device-keys.ts";
import { createDeviceKeys, reopenDeviceKeys } from "../../support/device-keys.ts";
import { unwrap } from "../../support/unwrap.ts";
import { name } from "../../support/wire-samples.ts";
import { RigProcess } from "../rig/rig-process.ts";
import { writeValidatorConfig } from "./validator-config.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The programs of which the rig starts processes. */
export const scripts = {
  gateway: join(root, "gateway/src/main.ts"),
  verify: join(root, "ledger-core/bin/tamga-verify.mjs"),
} as const;

/**
 * Of every process of the rig: each starts again and again, and compiles the same files. Their code is the
 * same with it and without.
 */
export function processEnv(template: string): Readonly<Record<string, string>> {
  return { NODE_COMPILE_CACHE: join(template, "compile-cache") };
}

/** Validators of the rig's channel; 3 of them are a quorum, and 1 may fail. */
export const validatorCount = 4;

export const gatewayName = (at: number) => `gateway-${at + 1}`;

export type RigDevice = { readonly keys: DeviceKeys; readonly answer: EnrolmentAnswer };

export class ConsortiumTemplate {
  readonly dir: string;
  /** One of each gateway, in their order. */
  readonly devices: readonly RigDevice[];

  private constructor(dir: string, devices: readonly RigDevice[]) {
    this.dir = dir;
    this.devices = devices;
  }

  /** The way of a real consortium: member files, the channel file made of them, and each takes it. */
  static async make(): Promise<ConsortiumTemplate> {
    const dir = mkdtempSync(join(tmpdir(), "tamga-validators-template-"));
    try {
      const dirs = Array.from({ length: validatorCount }, (_, at) => join(dir, gatewayName(at)));
      const channel = join(dir, "channel.tamga");
      for (const [at, gatewayDir] of dirs.entries()) {
        mkdirSync(gatewayDir, { mode: 0o700 });
        writeValidatorConfig(gatewayDir, { at, peerPort: 0, ways: [] });
      }
      const ledger = ledgerCommands(processEnv(dir));
      const files = dirs.map((gatewayDir) => join(gatewayDir, "member.json"));
      await Promise.all(dirs.map((one, at) => ledger(one, "join", "--out", files[at] ?? "")));
      await ledger(dirs[0] ?? "", "init", "--out", channel, "--member", ...files);
      await Promise.all(dirs.map((one) => ledger(one, "join", "--take", channel)));
      const devices: RigDevice[] = [];
      for (const [at, one] of dirs.entries()) {
        const device = await enrol(one, `box-${at + 1}`);
        devices.push(device);
        writeFileSync(deviceFile(dir, at), kept(device), { mode: 0o600 });
      }
      return new ConsortiumTemplate(dir, devices);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** One that another process of the rig made and keeps. */
  static open(dir: string): ConsortiumTemplate {
    const devices = Array.from({ length: validatorCount }, (_, at) => {
      const text = readFileSync(deviceFile(dir, at), "utf8");
      const kept = keptSchema.parse(JSON.parse(text));
      const request = unwrap(parseEnrolmentRequest(kept.request));
      const answer = unwrap(parseEnrolmentAnswer(kept.answer));
      return { keys: reopenDeviceKeys(request, kept), answer };
    });
    return new ConsortiumTemplate(dir, devices);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const deviceFile = (dir: string, at: number) => join(dir, `device-${at + 1}.json`);
const keptSchema = z.object({
  request: z.string(),
  answer: z.string(),
  signingKey: z.string(),
  tlsKey: z.string(),
});

/** Keys of a test, which end with it. */
function kept({ keys, answer }: RigDevice): string {
  const signingKey = keys.signing.key.export({ type: "pkcs8", format: "pem" }).toString();
  return JSON.stringify({
    request: encodeEnrolmentRequest(keys.request),
    answer: encodeEnrolmentAnswer(answer),
    signingKey,
    tlsKey: keys.tlsKey,
  });
}

function ledgerCommands(env: Readonly<Record<string, string>>) {
  return (dir: string, ...args: readonly string[]): Promise<void> => {
    const step = [scripts.gateway, "--data", dir, "ledger", ...args];
    return RigProcess.command({ name: `ledger ${args[0]}`, args: step, env });
  };
}

/** In this process: the same code as the operator's command, without its start. */
async function enrol(dir: string, device: string): Promise<RigDevice> {
  const config = readGatewayConfig({ data: dir });
  const now = unixMillis(Date.now());
  const ca = await openCa(config, now);
  const paths = sitePaths(dir);
  const registry = new DeviceRegistry(paths.registry);
  const facts = {
    channel: config.channel,
    gateway: config.gateway,
    uplink: ["mqtts://127.0.0.1:1"],
    trust: readFileSync(paths.trust, "utf8"),
    certificateDays: config.certificates.device_days,
  };
  try {
    const keys = await createDeviceKeys(name(device));
    const { request } = keys;
    const answer = unwrap(await approveEnrolment({ ca, registry }, facts, { request, now }));
    return { keys, answer };
  } finally {
    registry.close();
  }
}
