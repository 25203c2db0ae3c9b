/** `tamga-agent rotate-key`: asks the agent, running or not, to go on with another signing key. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Command } from "commander";
import { loadAgentConfig } from "./config.ts";
import type { ConfigOptions } from "./config-path.ts";
import { configPath } from "./config-path.ts";
import { requireSame } from "./device-config.ts";
import { readDeviceRecord } from "./identity/device-identity.ts";
import { kidOf } from "./rotation/make-request.ts";
import { keyInUse, readRotation, writeNextKey } from "./rotation/rotation-file.ts";
import { parseKeyAlgorithm } from "./signer/key-algorithm.ts";
import { openSigner } from "./signer/open-signer.ts";

type RotateOptions = ConfigOptions & {
  readonly to?: string;
  readonly keyAlgorithm?: string;
  readonly cancel?: boolean;
  readonly back?: boolean;
};

const explanation = `
The key is made where there is none, and the agent asks its gateway for a certificate. Until it has that, the old key
signs; until a statement by the new key has its final receipt, keep the old one. tamga-agent status says when.
Neither key is ever removed by Tamga. Run it as the user that the agent runs as.
`;

export function addRotateCommand(program: Command): void {
  program
    .command("rotate-key")
    .description("go on with another signing key; nothing is lost, and the gateway may be away")
    .option("--config <file>", "configuration")
    .option("--data <dir>", "data directory; its agent.toml is the configuration")
    .option("--to <uri>", "the next key, pkcs11:..., tpm:... or file:...")
    .option("--key-algorithm <name>", "of a key that is made now: es256, eddsa, sm2-sm3 or ps256")
    .option("--cancel", "stay with the key in use, while the next one has no certificate yet")
    .option("--back", "to the key from before, while the new one has no receipt yet")
    .addHelpText("after", explanation)
    .action((options: RotateOptions) => rotate(options));
}

async function rotate(options: RotateOptions): Promise<void> {
  const config = loadAgentConfig(configPath(options));
  const { data_dir: dataDir, profile } = config;
  requireSame(config, readDeviceRecord(dataDir));
  const record = readRotation(dataDir);
  const isProving = record?.step?.phase === "proving";
  if (options.back === true) {
    if (!isProving)
      throw new OperationalError(
        "ROTATION_NOT_UNDER_WAY",
        "No key waits for its first receipt: name the key that is to sign with --to.",
      );
    writeNextKey(dataDir, { back: true });
    say("the agent goes back to the key from before");
    return;
  }
  if (record !== undefined && isProving)
    throw new OperationalError(
      "ROTATION_UNDER_WAY",
      `The key ${record.key} signs since the last rotation and has no final receipt yet: ` +
        "wait until tamga-agent status says that it has, or give --back.",
    );
  if (options.cancel === true) {
    writeNextKey(dataDir, { cancel: true });
    say("the agent stays with the key in use");
    return;
  }
  const { to } = options;
  if (to === undefined)
    throw new OperationalError("USAGE_ROTATE", "Name the next key: --to URI, or give --cancel.");
  const inUse = keyInUse(config, record);
  if (to === inUse) throw sameKey(to);
  const kid = await makeKey({ to, profile, algorithm: algorithmOf(options) });
  writeNextKey(dataDir, { to });
  say(`the next key is ${kid}`);
  say(`the agent asks for its certificate when it has a gateway; until then ${inUse} signs`);
  say("see tamga-agent status; the gateway's operator sees it in tamga-gateway devices list");
}

/** @returns the thumbprint in hexadecimal. To open a key is to have it sign a challenge. */
async function makeKey(part: {
  readonly to: string;
  readonly profile: string;
  readonly algorithm: Algorithm | undefined;
}): Promise<string> {
  const { to, profile, algorithm } = part;
  const signer = await openSigner({ uri: to, profile, create: true, algorithm });
  try {
    return toHex(kidOf(signer.publicKey()));
  } finally {
    await signer.close();
  }
}

function algorithmOf({ keyAlgorithm }: RotateOptions): Algorithm | undefined {
  if (keyAlgorithm === undefined) return undefined;
  const parsed = parseKeyAlgorithm(keyAlgorithm);
  if (parsed.ok) return parsed.value;
  const { code, name, reason } = parsed.fault;
  throw new OperationalError(
    code,
    `${name} is refused: ${reason}; es256, eddsa and ps256 are taken`,
  );
}

function sameKey(uri: string): OperationalError {
  return new OperationalError(
    "ROTATION_SAME_KEY",
    `${uri} is the key in use: name another object of the token, or another file.`,
  );
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
