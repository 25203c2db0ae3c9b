/** Lets the demo's organisations begin a channel together, by the commands that a real consortium uses. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { runToEnd } from "./child.ts";
import type { PlannedGateway } from "./site-plan.ts";
import { scripts } from "./site-plan.ts";

/**
 * A data directory keeps the number of validators that it was begun with.
 *
 * @throws OperationalError SITE_OTHER_SHAPE.
 */
export function requireShape(file: string, validators: number, isBegun: boolean): void {
  if (existsSync(file)) {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    const begun =
      typeof found === "object" && found !== null && "validators" in found ? found.validators : 0;
    if (begun === validators) return;
    const sentence = `This site was begun with ${begun} validators: start it so, or name another --data.`;
    throw new OperationalError("SITE_OTHER_SHAPE", sentence);
  }
  if (isBegun && validators !== 1) {
    const sentence = "This site was begun with one validator: start it so, or name another --data.";
    throw new OperationalError("SITE_OTHER_SHAPE", sentence);
  }
  writeFileDurable(file, Buffer.from(`${JSON.stringify({ validators })}\n`), 0o644);
}

/**
 * Each member writes its file, the first makes the channel of them all, each takes it. What an interrupted
 * start left is made again; a member that has taken the channel keeps it.
 */
export async function beginConsortium(
  gateways: readonly PlannedGateway[],
  channelFile: string,
): Promise<void> {
  const [first] = gateways;
  if (first === undefined || gateways.length === 1) return;
  const run = (gateway: PlannedGateway, ...args: readonly string[]) =>
    runToEnd({
      name: `${args.slice(0, 2).join(" ")} of ${gateway.name}`,
      args: [scripts.gateway, "--data", gateway.directory, ...args],
    });
  if (!existsSync(channelFile)) {
    const files = gateways.map(({ directory }) => join(directory, "member.json"));
    await Promise.all(
      gateways.map((gateway, at) => run(gateway, "ledger", "join", "--out", files[at] ?? "")),
    );
    await run(first, "ledger", "init", "--out", channelFile, "--member", ...files);
  }
  await Promise.all(
    gateways
      .filter(({ directory }) => !existsSync(join(directory, "channel.tamga")))
      .map((gateway) => run(gateway, "ledger", "join", "--take", channelFile)),
  );
}
