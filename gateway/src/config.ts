/** The gateway's configuration: one TOML file, or none where the defaults serve. */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { duration, filePath, loadConfig } from "@tamga/ledger-core/daemon/config-file";
import { logLevels } from "@tamga/ledger-core/daemon/logger";
import { snapshotEveryBlocks } from "@tamga/ledger-core/ledger/limits";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { z } from "zod";
import { admissionRules } from "./appraisal/admission-policy.ts";
import { forChannel, requireChannelsApart } from "./channels.ts";
import { channelsMax, devicePatternsMax } from "./limits.ts";
import { rotationPolicies } from "./registry/key-rotation.ts";

const identifier = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, context): Identifier => {
      const parsed = parseIdentifier(text);
      if (parsed.ok) return parsed.value;
      context.addIssue({ code: "custom", message: "must be 1 to 64 of A-Z a-z 0-9 . _ -" });
      return z.NEVER;
    });
const name = z.string().transform((text, context): Identifier => {
  const parsed = parseIdentifier(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: "must be 1 to 64 of A-Z a-z 0-9 . _ -" });
  return z.NEVER;
});
const port = z.int().min(0).max(65_535);
/** Also the name of a directory. */
const channelName = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/, {
  error: "must be 1 to 64 of A-Z a-z 0-9 . _ -, and begin with no dot",
});
const devicePattern = z.string().regex(/^[A-Za-z0-9._-]{1,64}$|^[A-Za-z0-9._-]{0,63}\*$/, {
  error: 'must be a device id, or the beginning of ids and "*", as "meter-*"',
});
const address = z.string().transform((text, context) => {
  const parsed = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = parsed?.[1] ?? parsed?.[2];
  const number = Number(parsed?.[3]);
  if (host !== undefined && number >= 1 && number <= 65_535) return { host, port: number };
  context.addIssue({ code: "custom", message: 'must be "host:port", port 1 to 65535' });
  return z.NEVER;
});

/** The schema; every key stands in `gateway.example.toml`. */
export function gatewaySchema(directory: string) {
  return z.strictObject({
    consortium: identifier("local"),
    channel: identifier("readings"),
    organisation: identifier("site"),
    gateway: identifier("gateway-1"),
    data_dir: filePath(directory).default(resolve(directory, "data")),
    log_level: z.enum(logLevels).default("info"),
    mqtt: z
      .strictObject({
        host: z.string().min(1).default("0.0.0.0"),
        port: port.default(8_883),
        /** Names and addresses that agents dial; they stand in the server's certificate. */
        advertised: z
          .array(z.string().min(1).max(253))
          .min(1)
          .max(16)
          .default(["localhost", "127.0.0.1"]),
      })
      .prefault({}),
    http: z
      .strictObject({
        host: z.string().min(1).default("127.0.0.1"),
        port: port.default(8_480),
        allow_remote: z.boolean().default(false),
      })
      .prefault({}),
    ingest: z
      .strictObject({
        verify_threads: z.int().min(1).max(64).default(2),
        commit_wait: duration({ min: "0ms", max: "100ms" }).default(2),
        provisional_wait: duration({ min: "0ms", max: "10s" }).default(20),
      })
      .prefault({}),
    ledger: z
      .strictObject({
        order_every: duration({ min: "10ms", max: "1h" }).default(100),
        order_every_max: duration({ min: "10ms", max: "1h" }).default(700),
        retry_after: duration({ min: "10ms", max: "1h" }).default(1_000),
        /** Δ of the consensus: a message's time between validators, with room to spare. */
        delta: duration({ min: "10ms", max: "1m" }).default(500),
        snapshot_every_blocks: z.int().min(1).max(1_000_000_000).default(snapshotEveryBlocks),
      })
      .prefault({}),
    peers: z
      .strictObject({
        listen: z.boolean().default(true),
        host: z.string().min(1).default("0.0.0.0"),
        port: port.default(8_490),
        relays: z.boolean().default(true),
        border: z.boolean().default(true),
        /** The other ledger nodes that this one knows a way to. */
        nodes: z
          .array(
            z.strictObject({
              name,
              addresses: z.array(address).max(8).default([]),
              via: z.array(name).max(8).default([]),
              border: z.boolean().default(true),
            }),
          )
          .max(64)
          .default([]),
      })
      .prefault({}),
    certificates: z
      .strictObject({
        device_days: z.int().min(1).max(3_650).default(365),
        /** PEM files with CAs of the organisation's own, which the channel's opening names beside the site's. */
        organisation_cas: z.array(filePath(directory)).max(8).default([]),
      })
      .prefault({}),
    /** Channels beside `channel`, each with members, keys, ledger, lane and devices of its own. */
    channels: z
      .record(
        channelName,
        z.strictObject({
          mqtt_port: port,
          devices: z.array(devicePattern).min(1).max(devicePatternsMax),
          /** What is unlike `attestation`. */
          attestation: z
            .strictObject({
              pending: z.enum(admissionRules).optional(),
              stale: z.enum(admissionRules).optional(),
              contraindicated: z.enum(admissionRules).optional(),
            })
            .default({}),
        }),
      )
      .refine((channels) => Object.keys(channels).length < channelsMax, {
        error: `must have at most ${channelsMax - 1} channels beside the first`,
      })
      .default({}),
    enrolment: z
      .strictObject({
        /** PEM files with the root certificates of TPM makers. */
        tpm_roots: z.array(filePath(directory)).max(64).default([]),
        /** Which devices may change their signing key without an operator. */
        rotation: z.enum(rotationPolicies).default("proven"),
      })
      .prefault({}),
    /** Without it the state of devices is not judged. */
    attestation: z
      .strictObject({
        reference: filePath(directory),
        challenge_every: duration({ min: "10s", max: "30d" }).default(3_600_000),
        pending: z.enum(admissionRules).default("mark"),
        stale: z.enum(admissionRules).default("mark"),
        contraindicated: z.enum(admissionRules).default("mark"),
      })
      .optional(),
    bodies: z.strictObject({ copies: z.literal(1).default(1) }).prefault({}),
  });
}

export type GatewayConfig = z.output<ReturnType<typeof gatewaySchema>>;

/** Where a command finds its configuration, and of which channel it speaks, where it speaks of one. */
export type ConfigSource = {
  readonly config?: string | undefined;
  readonly data?: string | undefined;
  /** Of a command about one channel; without a name the only channel there is. */
  readonly forChannel?: { readonly name: string | undefined };
};

/**
 * Reads `--config FILE`, or `DIR/gateway.toml` of `--data DIR`, or takes the defaults with that
 * directory. Throws OperationalError CONFIG_INVALID, CONFIG_UNREADABLE, CONFIG_CHANNEL_*, CHANNEL_AMBIGUOUS,
 * CHANNEL_UNKNOWN.
 */
export function readGatewayConfig(source: ConfigSource): GatewayConfig {
  const config = readWhole(source);
  requireChannelsApart(config);
  return source.forChannel === undefined ? config : forChannel(config, source.forChannel.name);
}

function readWhole({ config, data }: ConfigSource): GatewayConfig {
  if (config !== undefined) return loadConfig(config, gatewaySchema);
  const directory = resolve(data ?? "data");
  const file = join(directory, "gateway.toml");
  if (existsSync(file)) return { ...loadConfig(file, gatewaySchema), data_dir: directory };
  return gatewaySchema(directory).parse({ data_dir: directory });
}
