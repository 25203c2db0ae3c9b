/** Looks at the TPM: who made it, whether it is locked out, and whether its maker's certificate is in it. */

import { existsSync } from "node:fs";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { TpmKeyUri } from "../signer/key-uri.ts";
import { transportOf } from "../signer/tpm-signer.ts";
import { Tpm } from "../tpm/tpm.ts";
import {
  listHandles,
  readClock,
  readEndorsementCertificate,
  readPcrs,
} from "../tpm/tpm-attesting.ts";
import { readIdentity, readLockout } from "../tpm/tpm-identity.ts";
import type { TpmTransport } from "../tpm/tpm-transport.ts";
import type { Finding } from "./finding.ts";
import { fail, ok, warn } from "./finding.ts";

const usual = "/dev/tpmrm0";
/** Persistent objects of the owner begin here. */
const ownerHandles = 0x8100_0000;

/** @param uri of the signing key, where that is in a TPM. */
export async function checkTpm(
  uri: TpmKeyUri | undefined,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  if (uri === undefined && !existsSync(usual))
    return [ok("tpm", `There is none at ${usual}: enable it in the firmware set-up to use one.`)];
  const at = uri ?? { at: { kind: "device", path: usual } as const };
  return lookAt(transportOf(at), { signal });
}

function lookAt(
  transport: TpmTransport,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  return Tpm.use(transport, { clock: new SystemClock(), signal }, async (tpm) => {
    const { manufacturer, model, isEmulated } = await readIdentity(tpm);
    const { resetCount, restartCount } = await readClock(tpm);
    const name = `${transport.name}: ${manufacturer} ${model}`.trim();
    const since = `${resetCount} resets, ${restartCount} restarts since the last`;
    const findings: Finding[] = [
      isEmulated
        ? warn("tpm", `${name} is an emulator: its keys lie in files; ${since}.`)
        : ok("tpm", `${name} answers; ${since}.`),
    ];
    const { isLockedOut, failed, allowed } = await readLockout(tpm);
    if (isLockedOut)
      findings.push(
        fail(
          "tpm lockout",
          "It is locked out after wrong passwords: `tpm2_dictionarylockout --clear-lockout`. Tamga's own keys go on.",
        ),
      );
    else findings.push(ok("tpm lockout", `${failed} of ${allowed} wrong passwords.`));
    const kinds = [];
    for (const kind of ["rsa", "ecc"] as const)
      if ((await readEndorsementCertificate(tpm, kind)) !== undefined) kinds.push(kind);
    findings.push(
      kinds.length > 0
        ? ok("tpm certificate", `The maker's certificate is in it (${kinds.join(", ")}).`)
        : warn(
            "tpm certificate",
            "It holds none of its maker: fetch it there, and enrol with --tpm-certificates FILE.",
          ),
    );
    findings.push(await checkPcrs(tpm));
    const handles = await listHandles(tpm, ownerHandles);
    const used = handles.map((handle) => `0x${handle.toString(16)}`).join(", ");
    findings.push(ok("tpm handles", used === "" ? "None is in use." : `In use: ${used}.`));
    return findings;
  });
}

/** Without a bank of SHA-256 no boot can be attested; firmware of some makers comes with SHA-1 alone. */
async function checkPcrs(tpm: Tpm): Promise<Finding> {
  const { values } = await readPcrs(tpm, { hash: tpmAlgorithms.sha256, indices: [0, 7] });
  const isMeasured = values.some(({ value }) => value.some((byte) => byte !== 0));
  return isMeasured
    ? ok("tpm boot log", "The firmware measured what it started (PCR 0, 7; SHA-256).")
    : warn("tpm boot log", "PCR 0 and 7 are empty: the firmware measured nothing of this boot.");
}
