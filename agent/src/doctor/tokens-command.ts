/**
 * `tamga-agent tokens MODULE`: the tokens of a PKCS#11 library, a line of JSON each. A process of its own, since
 * a library that is broken takes its process with it.
 */

import process from "node:process";
import type { Command } from "commander";
import { ck } from "../signer/cryptoki.ts";
import { slotsMax } from "../signer/limits.ts";
import { processModules } from "../signer/pkcs11-module.ts";

export type TokenLine = {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  /** Without PIN and keys: `softhsm2-util --init-token` and its like come first. */
  readonly isInitialized: boolean;
  readonly isPinLocked: boolean;
  readonly isPinFinalTry: boolean;
};

export function addTokensCommand(program: Command): void {
  program
    .command("tokens")
    .description("list the tokens of a PKCS#11 library")
    .argument("<module>", "path of the library")
    .action(async (path: string) => {
      for (const token of await listTokens(path))
        process.stdout.write(`${JSON.stringify(token)}\n`);
    });
}

async function listTokens(path: string): Promise<readonly TokenLine[]> {
  const module = await processModules.acquire(path);
  try {
    return await module.use((cryptoki) =>
      cryptoki
        .C_GetSlotList(true)
        .slice(0, slotsMax)
        .map((slot) => {
          const { label, manufacturerID, model, serialNumber, flags } =
            cryptoki.C_GetTokenInfo(slot);
          return {
            label: plain(label),
            manufacturer: plain(manufacturerID),
            model: plain(model),
            serial: plain(serialNumber),
            isInitialized: (flags & ck.CKF_TOKEN_INITIALIZED) !== 0,
            isPinLocked: (flags & ck.CKF_USER_PIN_LOCKED) !== 0,
            isPinFinalTry: (flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0,
          };
        }),
    );
  } finally {
    await module.release();
  }
}

/** PKCS#11 pads its texts with blanks, some libraries with zeros. */
function plain(text: string): string {
  return text.replace(/[\s\0]+$/, "");
}
