/** Which PKCS#11 libraries and tokens this machine has, as a key URI would name them. */

import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { z } from "zod";
import type { Finding } from "./finding.ts";
import { fail, ok, warn } from "./finding.ts";

const run = promisify(execFile);
/** A network HSM may take its time. */
const listMsMax = 20_000;
const bytesMax = 1_048_576;

const tokenSchema = z.object({
  label: z.string(),
  model: z.string(),
  serial: z.string(),
  isInitialized: z.boolean(),
  isPinLocked: z.boolean(),
  isPinFinalTry: z.boolean(),
});

/** Where distributions keep the libraries: folders, and what to pass over in them. */
const folders = [
  "/usr/lib/softhsm",
  "/usr/lib/x86_64-linux-gnu/softhsm",
  "/usr/lib/aarch64-linux-gnu/softhsm",
  "/usr/lib/x86_64-linux-gnu/pkcs11",
  "/usr/lib/aarch64-linux-gnu/pkcs11",
  "/usr/lib64/pkcs11",
];
/** A logger between two others, a second name of the same, and one that stands for all of them. */
const passedOver = /spy|onepin|p11-kit/;

/** @param named a library that the configuration names, which may lie elsewhere. */
export async function findTokens(
  main: string,
  named: string | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  const found = folders.filter((folder) => existsSync(folder)).flatMap(librariesIn);
  const modules = [...new Set([...(named === undefined ? [] : [named]), ...found])];
  if (modules.length === 0)
    return [ok("tokens", "No PKCS#11 library is installed; a key in a TPM or a file needs none.")];
  const findings: Finding[] = [];
  for (const module of modules) findings.push(...(await tokensOf(main, module, { signal })));
  return findings;
}

function librariesIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".so") && !passedOver.test(name))
    .map((name) => join(folder, name));
}

async function tokensOf(
  main: string,
  module: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  const check = `tokens of ${module}`;
  let stdout: string;
  try {
    const options = { signal, timeout: listMsMax, maxBuffer: bytesMax };
    ({ stdout } = await run(process.execPath, [main, "tokens", module], options));
  } catch {
    signal.throwIfAborted();
    return [warn(check, `The library does not work here: run \`tamga-agent tokens ${module}\`.`)];
  }
  const tokens = stdout.split("\n").flatMap(tokenOf);
  const usable = tokens.filter(({ isInitialized }) => isInitialized);
  if (usable.length === 0)
    return [ok(check, "It has no token that was set up: that comes before a key in it.")];
  return usable.map(({ label, model, serial, isPinLocked, isPinFinalTry }) => {
    const name = `${label} (${model}, serial ${serial})`;
    if (isPinLocked)
      return fail(check, `The PIN of ${name} is locked: its security officer sets a new one.`);
    return isPinFinalTry
      ? warn(
          check,
          `One more wrong PIN locks ${name}: log in once by hand with pkcs11-tool --login.`,
        )
      : ok(check, `${name}: key = "pkcs11:token=${label};object=…?module-path=${module}&…".`);
  });
}

/** Libraries print to standard output too, notices and traces; some end no line, and ours follows in it. */
function tokenOf(line: string): readonly z.infer<typeof tokenSchema>[] {
  const begin = line.indexOf('{"label":');
  if (begin < 0) return [];
  try {
    const parsed = tokenSchema.safeParse(JSON.parse(line.slice(begin)));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}
