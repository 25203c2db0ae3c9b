/** The foreign programs that tests use as they are; where one is missing, a skip is never silent. */

import { spawnSync } from "node:child_process";

/** Each part by the command that proves it; the names are Debian's packages. */
const parts = {
  softhsm2: "softhsm2-util",
  socat: "socat",
  faketime: "faketime",
  nftables: "nft",
  iproute2: "ip",
  swtpm: "swtpm",
  "swtpm-tools": "swtpm_setup",
  "tpm2-tools": "tpm2_quote",
  "libtpm2-pkcs11-tools": "tpm2_ptool",
  opensc: "pkcs11-tool",
  pcscd: "pcscd",
  gdb: "gcore",
  "vsmartcard-vpcd": "vpcd-config",
} as const;

/**
 * @returns whether the part is there; if not, stderr says which package is missing, and the caller
 *   skips. Throws in CI, where a skip is a failure.
 */
export function requirePart(name: keyof typeof parts): boolean {
  const command = parts[name];
  if (spawnSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" }).status === 0)
    return true;
  const sentence = `SKIPPED ALOUD: ${command} is missing; install the Debian package ${name}`;
  if ((process.env["CI"] ?? "") !== "") throw new Error(sentence);
  process.stderr.write(`\n*** tamga: ${sentence} ***\n\n`);
  return false;
}
