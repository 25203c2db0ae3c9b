/** `tamga-agent rotate-key`: asks the agent, running or not, to go on with another signing key. */

import { readFileSync, writeFileSync } from "node:fs";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { deadline, SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseRotationMessage, rotationIdentity } from "@tamga/ledger-core/wire/key-rotation";
import { encodeRotationFile } from "@tamga/ledger-core/wire/rotation-files";
import type { Command } from "commander";
import { loadAgentConfig } from "./config.ts";
import type { ConfigOptions } from "./config-path.ts";
import { configPath } from "./config-path.ts";
import { requireSame } from "./device-config.ts";
import { readDeviceRecord } from "./identity/device-identity.ts";
import { rotationLookMs, rotationRequestMsMax } from "./limits-daemon.ts";
import { leaveAnswer, parseAnswerFile } from "./rotation/carried-answer.ts";
import { kidOf } from "./rotation/make-request.ts";
import { keyInUse, readNextKey, readRotation, writeNextKey } from "./rotation/rotation-file.ts";
import { parseKeyAlgorithm } from "./signer/key-algorithm.ts";
import { openSigner } from "./signer/open-signer.ts";

type RotateOptions = ConfigOptions & {
  readonly to?: string;
  readonly keyAlgorithm?: string;
  readonly cancel?: boolean;
  readonly back?: boolean;
  readonly out?: string;
  readonly answer?: string;
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
    .option("--out <file>", "write the request, for a gateway that is out of reach")
    .option("--answer <file>", "take the gateway's answer in from this file")
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
  if (options.answer !== undefined) {
    const { device } = readDeviceRecord(dataDir);
    takeAnswer({ dataDir, device }, readFileSync(options.answer, "utf8"));
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
  const { to, out } = options;
  if (to === undefined && out !== undefined) {
    const { device } = readDeviceRecord(dataDir);
    await writeRequest({ dataDir, device, out });
    return;
  }
  if (to === undefined)
    throw new OperationalError("USAGE_ROTATE", "Name the next key: --to URI, or give --cancel.");
  const inUse = keyInUse(config, record);
  if (to === inUse) throw sameKey(to);
  const kid = await makeKey({ to, profile, algorithm: algorithmOf(options) });
  writeNextKey(dataDir, { to });
  say(`the next key is ${kid}`);
  say(`the agent asks for its certificate when it has a gateway; until then ${inUse} signs`);
  if (out !== undefined) {
    await writeRequest({ dataDir, device: readDeviceRecord(dataDir).device, out });
    return;
  }
  say("see tamga-agent status; the gateway's operator sees it in tamga-gateway devices list");
}

/** Waits a moment for the running agent, which alone makes requests: it has the key in use. */
async function writeRequest(part: {
  readonly dataDir: string;
  readonly device: Identifier;
  readonly out: string;
}): Promise<void> {
  const { dataDir, device, out } = part;
  const clock = new SystemClock();
  const signal = deadline(rotationRequestMsMax);
  for (;;) {
    const step = readRotation(dataDir)?.step;
    if (step?.phase === "asking" && readNextKey(dataDir) === undefined) {
      writeFileSync(out, encodeRotationFile("request", { device, message: step.request }));
      say(`${out}: give it to the gateway's operator, who answers with a file:`);
      say(`tamga-gateway devices approve --request ${out} --out answer.json`);
      say("then run: tamga-agent rotate-key --answer answer.json");
      return;
    }
    await clock.sleep(rotationLookMs / 4, { signal }).catch(() => {
      throw new OperationalError(
        "ROTATION_NOT_ASKED",
        "The agent has made no request: start it, see what tamga-agent status says, and ask again with --out.",
      );
    });
  }
}

/** What a gateway's operator answered; the running agent takes it within a second, a stopped one at its next start. */
function takeAnswer(
  { dataDir, device }: { readonly dataDir: string; readonly device: Identifier },
  text: string,
): void {
  const { outcome, request } = parseAnswerFile(text, device);
  const step = readRotation(dataDir)?.step;
  const asked = step?.phase === "asking" ? parseRotationMessage(step.request) : undefined;
  const identity = asked?.ok === true ? rotationIdentity(nodeCrypto, asked.value) : undefined;
  if (identity === undefined || !equal(identity, request))
    throw new OperationalError(
      "ROTATION_OTHER_ANSWER",
      "It answers another request than the agent makes now: write that with --out, and have it answered.",
    );
  if (outcome.type !== "certified")
    throw new OperationalError("ROTATION_REFUSED", "The gateway's operator has not approved it.");
  leaveAnswer(dataDir, text);
  say("the agent goes on with the next key; tamga-agent status says when the old one may go");
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
    `${name} is refused: ${reason}; es256, eddsa, sm2-sm3 and ps256 are taken`,
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
