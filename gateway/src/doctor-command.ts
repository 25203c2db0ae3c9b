/** `tamga-gateway doctor`: looks at what usually goes wrong and says what to do. */

import { existsSync, statfsSync } from "node:fs";
import { connect } from "node:net";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { clockQuality } from "@tamga/ledger-core/daemon/system-clock";
import type { Command } from "commander";
import { channelsOf } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { readGatewayConfig } from "./config.ts";
import { mqttPortOf } from "./site/address.ts";
import { pathsOf } from "./site/site.ts";

type Finding = { readonly level: "ok" | "warn" | "fail"; readonly sentence: string };

const diskBytesMin = 1_073_741_824;

export function addDoctorCommand(
  program: Command,
  where: () => { readonly config?: string; readonly data?: string },
  finish: (exitCode: ExitCode) => void,
): void {
  program
    .command("doctor")
    .description("check directory, databases, disk, clock and the running gateway")
    .action(async () => {
      const findings = await examine(readGatewayConfig(where()));
      for (const { level, sentence } of findings) {
        process.stdout.write(`${level.padEnd(5)}${sentence}\n`);
      }
      const failed = findings.some((finding) => finding.level === "fail");
      finish(failed ? exitCodes.invalid : exitCodes.done);
    });
}

async function examine(config: GatewayConfig): Promise<readonly Finding[]> {
  const paths = pathsOf(config);
  if (!existsSync(paths.caCertificate)) {
    const sentence = `${config.data_dir} holds no site yet: \`tamga-gateway run\` makes one.`;
    return [{ level: "fail", sentence }];
  }
  const channels = channelsOf(config).map((view) => ({ view, paths: pathsOf(view) }));
  return [
    { level: "ok", sentence: `site of organisation ${config.organisation} found` },
    examineDatabase(paths.registry),
    ...channels.flatMap(({ paths: { lane, ledger } }) => [lane, ledger].map(examineDatabase)),
    // Made by the first start of a release that votes.
    ...[paths.votes].filter((path) => existsSync(path)).map(examineDatabase),
    examineDisk(config.data_dir),
    examineClock(),
    ...(await Promise.all(
      channels.map(({ view }) => examinePort(mqttPortOf(view, paths.address))),
    )),
  ];
}

function examineDatabase(path: string): Finding {
  try {
    const db = openDatabase(path, { readonly: true });
    const verdict = String(db.pragma("quick_check(1)", { simple: true }));
    db.close();
    if (verdict === "ok") return { level: "ok", sentence: `${path} is sound` };
    return { level: "fail", sentence: `${path} is damaged: restore it from a backup.` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { level: "fail", sentence: reason };
  }
}

function examineDisk(directory: string): Finding {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const text = `${Math.floor(free / 1_048_576)} MiB are free for ${directory}`;
  return free >= diskBytesMin
    ? { level: "ok", sentence: text }
    : { level: "warn", sentence: `${text}: free some, or the gateway will stop taking readings.` };
}

function examineClock(): Finding {
  const quality = clockQuality();
  if (quality === "unsynchronised") {
    const sentence = "the clock is not synchronised: cosignature times would be wrong; set up NTP.";
    return { level: "warn", sentence };
  }
  return { level: "ok", sentence: `the clock's quality is ${quality}` };
}

function examinePort(port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 2_000 });
    const end = (finding: Finding) => {
      socket.destroy();
      resolve(finding);
    };
    const silent = () =>
      end({
        level: "warn",
        sentence: `nothing listens on port ${port}: the gateway is not running.`,
      });
    socket.once("connect", () =>
      end({ level: "ok", sentence: `the broker listens on port ${port}` }),
    );
    socket.once("error", silent);
    socket.once("timeout", silent);
  });
}
