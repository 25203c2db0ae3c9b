/**
 * What an idle channel costs in memory: `node --expose-gc test/bench/ledger/channel-memory.ts [COUNT …]` opens so many
 * channels of four validators in one ledger node, and then runs a gateway that has as many of its own.
 */

import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { addLedgerCommand } from "@tamga/gateway/consortium/ledger-command";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { Command } from "commander";
import { RigProcess } from "../../end-to-end/rig/rig-process.ts";
import { LedgerSite } from "../../support/ledger-site.ts";

const mebibyte = 1_048_576;
const settleMs = 3_000;
const program = fileURLToPath(new URL("../../../gateway/src/main.ts", import.meta.url));
const counts = process.argv.slice(2).map(Number);
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Resident memory of a ledger node by the number of its channels, which no peer answers. */
async function measureNode(directory: string, upTo: readonly number[]): Promise<void> {
  const owner = new LedgerSite(directory);
  const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
  const clock = new SystemClock();
  const node = LedgerNode.open({
    votesPath: join(directory, "votes.db"),
    crypto: nodeCrypto,
    clock,
    network: { send: () => undefined },
  });
  let opened = 0;
  for (const count of upTo) {
    for (; opened < count; opened++) {
      const path = join(directory, `channel-${opened}.db`);
      const openChannel = () => owner.openChannel(validatorKey.publicKey, ...strangers());
      await node.openLedger({ path, validatorKey, openChannel });
    }
    await sleep(settleMs);
    globalThis.gc?.();
    say(`ledger node, ${count} channels: ${(process.memoryUsage().rss / mebibyte).toFixed(1)} MiB`);
  }
  await node.close();
}

/** Three others that nobody runs. */
function strangers(): readonly Uint8Array[] {
  return Array.from({ length: 3 }, () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    return new Uint8Array(publicKey.export({ type: "spki", format: "der" }).subarray(-32));
  });
}

/** Resident memory of a whole gateway: each channel with its port, lane and ledger of one validator. */
async function measureGateway(directory: string, count: number): Promise<void> {
  mkdirSync(directory);
  const further = Array.from({ length: count - 1 }, (_, at) => `c${at}`);
  const tables = further.map((one) => `[channels.${one}]\nmqtt_port = 0\ndevices = ["${one}-*"]\n`);
  const ports =
    'mqtt = { host = "127.0.0.1", port = 0 }\nhttp = { port = 0 }\npeers = { listen = false }\n';
  writeFileSync(join(directory, "gateway.toml"), `${ports}${tables.join("")}`);
  const ledger = async (...args: readonly string[]) => {
    const command = new Command();
    addLedgerCommand(command, () => ({ data: directory }));
    await command.parseAsync(["ledger", ...args], { from: "user" });
  };
  for (const one of further) {
    const [member, file] = [join(directory, "member"), join(directory, "channel")];
    await ledger("join", "--out", member, "--channel", one);
    await ledger("init", "--member", member, "--out", file, "--channel", one);
    await ledger("join", "--take", file, "--channel", one);
  }
  const gateway = new RigProcess({ name: "gateway", args: [program, "--data", directory, "run"] });
  await gateway.line(/("event":"gateway\.listening")/);
  await sleep(settleMs);
  const status = readFileSync(`/proc/${gateway.pid}/status`, "utf8");
  const kibibytes = Number(present(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1], "VmRSS"));
  say(`gateway, ${count} channels: ${(kibibytes / 1_024).toFixed(1)} MiB`);
  await gateway.end("SIGTERM");
}

const directory = mkdtempSync(join(tmpdir(), "tamga-channel-memory-"));
try {
  const wanted = counts.length === 0 ? [1, 10, 50] : counts;
  const nodeDirectory = join(directory, "node");
  mkdirSync(nodeDirectory);
  await measureNode(nodeDirectory, wanted);
  for (const count of wanted) await measureGateway(join(directory, `gateway-${count}`), count);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
