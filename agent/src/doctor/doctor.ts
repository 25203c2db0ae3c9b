/** Looks at everything that a first run needs, one finding each. */

import { fileURLToPath } from "node:url";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import { clockQuality, SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import type { AgentConfig } from "../config.ts";
import { gatewaysOf, requireSame } from "../device-config.ts";
import { DeviceIdentity } from "../identity/device-identity.ts";
import { keyInUse, readNextKey, readRotation } from "../rotation/rotation-file.ts";
import { rotationNotes } from "../rotation/rotation-notes.ts";
import { holdsRestKey, rotationStatus } from "../rotation/rotation-status.ts";
import type { KeyUri } from "../signer/key-uri.ts";
import { parseKeyUri } from "../signer/key-uri.ts";
import { openSigner } from "../signer/open-signer.ts";
import { checkGateway } from "./check-gateway.ts";
import { checkLine } from "./check-line.ts";
import { checkDisk, checkOutbox } from "./check-outbox.ts";
import { checkTpm } from "./check-tpm.ts";
import { findReaders } from "./find-readers.ts";
import { findSerialPorts } from "./find-serial-ports.ts";
import { findTokens } from "./find-tokens.ts";
import type { Finding } from "./finding.ts";
import { attempt, ok, warn } from "./finding.ts";
import { keyFinding } from "./key-finding.ts";

export type DoctorOptions = {
  /** How long each line is listened to. */
  readonly lineMs: number;
  readonly signal: AbortSignal;
};

/** Findings as they are made; lines of all streams are listened to at the same time, last. */
export async function* examine(
  config: AgentConfig,
  options: DoctorOptions,
): AsyncGenerator<Finding> {
  const running = isRunning(config.data_dir);
  yield checkClock(config);
  yield* await attempt("disk", async () => [checkDisk(config)]);
  if (running) {
    yield ok("outbox", "The agent is running; it is looked at while the agent is stopped.");
  } else yield* await attempt("outbox", async () => [checkOutbox(config)]);
  const identity: { value?: DeviceIdentity } = {};
  yield* await attempt("key", async () => {
    identity.value = await checkKey(config);
    return [keyFinding(keyInUse(config))];
  });
  yield* await attempt("rotation", async () => checkRotation(config));
  if (identity.value !== undefined) {
    yield* checkIdentity(identity.value);
    yield* await attempt("gateway", () => checkGateways(config, identity.value, options));
  }
  if (!running) yield* await findHardware(uriOf(keyInUse(config)), options);
  if (config.stream.length === 0)
    yield warn("streams", "No [[stream]] is configured: add your first meter to agent.toml.");
  else if (running) {
    yield ok("streams", "The agent is running and has the lines: see tamga-agent status.");
  } else {
    const { lineMs: ms, signal } = options;
    yield* await Promise.all(config.stream.map((stream) => checkLine(stream, { ms, signal })));
  }
}

/**
 * What the machine has, whether it is used or not.
 *
 * @param key of the configuration, where there is one.
 */
export async function findHardware(
  key: KeyUri | undefined,
  { signal }: Pick<DoctorOptions, "signal">,
): Promise<readonly Finding[]> {
  const tpmKey = key?.scheme === "tpm" ? key : undefined;
  const named = key?.scheme === "pkcs11" ? key.modulePath : undefined;
  return [
    ...(await attempt("tpm", () => checkTpm(tpmKey, { signal }))),
    ...(await attempt("tokens", () => findTokens(mainPath, named, { signal }))),
    ...(await attempt("readers", () => findReaders({ signal }))),
    ...(await attempt("serial ports", findSerialPorts)),
  ];
}

/** The command line, which lists tokens in a process of its own. */
const mainPath = fileURLToPath(new URL("../main.ts", import.meta.url));

function uriOf(text: string): KeyUri | undefined {
  const parsed = parseKeyUri(text);
  return parsed.ok ? parsed.value : undefined;
}

function checkClock(config: AgentConfig): Finding {
  const quality = clockQuality(config.clock_source);
  const now = new Date().toISOString();
  switch (quality) {
    case "gnss":
    case "ntp":
      return ok("clock", `It is synchronised (${quality}): ${now}.`);
    case "rtc":
      return warn("clock", `No time source was seen since the start (${now}): set up NTP or GNSS.`);
    case "unsynchronised":
      return warn(
        "clock",
        `It is not set (${now}): readings say so, and gateways are checked but for their dates.`,
      );
  }
}

async function checkKey(config: AgentConfig): Promise<DeviceIdentity> {
  const { profile } = config;
  const uri = keyInUse(config);
  // To open a key is to have it sign a challenge.
  const signer = await openSigner({ uri, profile, create: false });
  try {
    const identity = await DeviceIdentity.load(config.data_dir, signer);
    requireSame(config, identity.record);
    return identity;
  } finally {
    await signer.close();
  }
}

/** Nothing where no key was ever replaced. */
function checkRotation({ data_dir: dataDir }: AgentConfig): readonly Finding[] {
  const record = readRotation(dataDir);
  const wish = readNextKey(dataDir);
  const wanted = wish !== undefined && "to" in wish ? wish.to : undefined;
  if (wanted !== undefined && record?.step?.phase !== "proving")
    return [warn("rotation", `The key ${wanted} is wanted; a running agent asks for it at once.`)];
  if (record === undefined) return [];
  const status = rotationStatus(record, { wanted, trouble: undefined });
  const finding = status?.phase === "done" ? ok : warn;
  return rotationNotes(status, holdsRestKey(record)).map((note) => finding("rotation", note));
}

function* checkIdentity(identity: DeviceIdentity): Generator<Finding> {
  const now = new SystemClock().now();
  const { signing } = identity.certificates;
  const until = new Date(signing.notAfter).toISOString().slice(0, 10);
  const state = identity.state(now);
  if (state === "expired") {
    yield warn("certificates", `They expired on ${until}; the agent renews them when it connects.`);
  } else if (state === "due") {
    yield ok("certificates", `Good until ${until}; the agent renews them when it connects.`);
  } else yield ok("certificates", `Good until ${until}.`);
  const digest = trustPolicyDigest(nodeCrypto.sha256, identity.policy);
  yield ok("trust", `Compare with the site's operator: ${groupedHex(digest)}.`);
}

async function checkGateways(
  config: AgentConfig,
  identity: DeviceIdentity | undefined,
  { signal }: DoctorOptions,
): Promise<readonly Finding[]> {
  if (identity === undefined) return [];
  const isSet = clockQuality(config.clock_source) !== "unsynchronised";
  const at = isSet ? new SystemClock().now() : undefined;
  const findings = await Promise.all(
    gatewaysOf(config, identity.record).map((address) =>
      checkGateway(address, { identity, at }, { signal }),
    ),
  );
  // One that answers is enough to deliver.
  const works = findings.some(({ verdict }) => verdict === "ok");
  return findings.map((finding) =>
    works && finding.verdict === "fail" ? { ...finding, verdict: "warn" } : finding,
  );
}

function isRunning(dataDir: string): boolean {
  try {
    lockDataDir(dataDir).release();
    return false;
  } catch (error) {
    if (error instanceof OperationalError && error.code === "DATA_DIR_IN_USE") return true;
    if (error instanceof OperationalError) return false;
    throw error;
  }
}
