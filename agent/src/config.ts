/** What agent.toml may say. Every key is explained in `agent.example.toml`. */

import { join } from "node:path";
import { byteSize, duration, filePath, loadConfig } from "@tamga/ledger-core/daemon/config-file";
import { logLevels } from "@tamga/ledger-core/daemon/logger";
import { clockSources } from "@tamga/ledger-core/daemon/system-clock";
import { bundleHashes } from "@tamga/ledger-core/wire/device-claims";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { readingsPerBundleMax } from "@tamga/ledger-core/wire/limits";
import { z } from "zod";
import { restCipherNames } from "./at-rest/rest-cipher.ts";
import { protocolIds } from "./driver.ts";
import { streamsMax } from "./limits-daemon.ts";
import { explainLinkUriFault, parseLinkUri } from "./link/link-uri.ts";
import { whenFullPolicies } from "./outbox/outbox.ts";
import { keyUriSentence, parseKeyUri } from "./signer/key-uri.ts";
import { bootPcrs } from "./tpm/quote-evidence.ts";
import { gatewaysMax } from "./uplink/limits.ts";
import { parseUplinkUri } from "./uplink/uplink-uri.ts";

export const profiles = ["development", "production"] as const;
export const eventSinks = ["off", "stdout"] as const;

/** The one type of the agent's configuration. */
export type AgentConfig = z.output<ReturnType<typeof agentConfigSchema>>;
export type StreamConfig = AgentConfig["stream"][number];

/** Throws CONFIG_UNREADABLE, CONFIG_INVALID. */
export function loadAgentConfig(path: string): AgentConfig {
  return loadConfig(path, agentConfigSchema);
}

const identifier = z.string().transform((text, context) => {
  const parsed = parseIdentifier(text);
  if (parsed.ok) return parsed.value;
  context.issues.push({
    code: "custom",
    message: "must be 1 to 64 letters, digits, dots, dashes and underscores",
    input: text,
  });
  return z.NEVER;
});

const linkUri = z.string().transform((text, context) => {
  const parsed = parseLinkUri(text);
  if (parsed.ok) return parsed.value;
  context.issues.push({ code: "custom", message: explainLinkUriFault(parsed.fault), input: text });
  return z.NEVER;
});

const keyUri = z.string().superRefine((text, context) => {
  const parsed = parseKeyUri(text);
  if (!parsed.ok) context.addIssue({ code: "custom", message: keyUriSentence(parsed.fault) });
});

const uplinkUri = z.string().transform((text, context) => {
  const parsed = parseUplinkUri(text);
  if (parsed.ok) return parsed.value;
  context.issues.push({ code: "custom", message: "must be mqtts://host:port", input: text });
  return z.NEVER;
});

const streamSchema = z.strictObject({
  name: identifier,
  link: linkUri,
  protocol: z.enum(protocolIds),
  emulated: z.boolean().default(false),
  max_age: duration({ min: "10ms", max: "1h" }).optional(),
});

/** @param directory of the configuration file; relative paths are taken from it. */
export function agentConfigSchema(directory: string) {
  return z
    .strictObject({
      device: identifier,
      channel: identifier,
      data_dir: filePath(directory).default(directory),
      profile: z.enum(profiles).default("development"),
      key: keyUri.optional(),
      clock_source: z.enum(clockSources).default("auto"),
      heartbeat_every: duration({ min: "1s", max: "1d" }).default(900_000),
      log_level: z.enum(logLevels).default("info"),
      events: z.enum(eventSinks).default("off"),
      stream: z
        .array(streamSchema)
        .max(streamsMax)
        .default([])
        .refine((streams) => new Set(streams.map(({ name }) => name)).size === streams.length, {
          error: "two streams have one name",
        })
        .refine((streams) => streams.every(({ name }) => name !== attestationStream), {
          error: `"${attestationStream}" is the name of the device's own stream: take another`,
        }),
      /** Without it the device states no evidence of itself. */
      attestation: z
        .strictObject({
          every: duration({ min: "1m", max: "30d" }).default(21_600_000),
          pcrs: z
            .array(z.int().min(0).max(23))
            .min(1)
            .max(24)
            .default([...bootPcrs])
            .transform((pcrs) => [...new Set(pcrs)].toSorted((a, b) => a - b)),
          event_log: filePath(directory).optional(),
        })
        .optional(),
      bundle: z
        .strictObject({
          max_count: z.int().min(1).max(readingsPerBundleMax).default(512),
          max_bytes: byteSize({ min: "1KiB", max: "960KiB" }).default(768 * 1_024),
          max_age: duration({ min: "10ms", max: "1h" }).default(10_000),
          hash: z.enum(bundleHashes).default("sha-256"),
        })
        .prefault({}),
      outbox: z
        .strictObject({
          quota: byteSize({ min: "1MiB", max: "1TiB" }).default(2 * 1_024 ** 3),
          when_full: z.enum(whenFullPolicies).default("stop"),
          journal_after: duration({ min: "1ms", max: "10s" }).default(100),
          at_rest: z.enum(restCipherNames).default("off"),
        })
        .prefault({}),
      uplink: z
        .strictObject({ gateways: z.array(uplinkUri).min(1).max(gatewaysMax).optional() })
        .prefault({}),
      http: z
        .strictObject({
          host: z.string().min(1).default("127.0.0.1"),
          port: z.int().min(0).max(65_535).default(9_461),
          allow_remote: z.boolean().default(false),
        })
        .prefault({}),
    })
    .transform((config) => ({
      ...config,
      key: config.key ?? `file:${join(config.data_dir, "signing.key")}`,
    }));
}
