/** Reads files that hold a secret, and only those that nobody else on the machine can read. */

import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";

/** The codes that a private file can fail with, by what it holds. */
export interface PrivateFileCodes {
  readonly what: string;
  readonly missing: string;
  readonly permissions: string;
  readonly unreadable: string;
}

/**
 * Reads a regular file of 1 … `bytesMax` bytes that belongs to this user or to root, and whose
 * mode gives nothing to group and world.
 *
 * One exception: a file of root:root may show group read. systemd's LoadCredential gives a
 * service its credentials through an ACL, and the mode's group bits then show the ACL's mask.
 *
 * @returns a buffer of its own that the caller can overwrite with zeros after use.
 */
export async function readPrivateFile(
  path: string,
  { codes, bytesMax }: { readonly codes: PrivateFileCodes; readonly bytesMax: number },
): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    const missing = codeOf(cause) === "ENOENT";
    throw new OperationalError(
      missing ? codes.missing : codes.unreadable,
      `the ${codes.what} ${path} ${missing ? "does not exist" : "cannot be opened"}`,
      { cause, details: { path } },
    );
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size === 0 || stat.size > bytesMax) {
      throw new OperationalError(
        codes.unreadable,
        `the ${codes.what} ${path} must be a file of 1 to ${bytesMax} bytes`,
        { details: { path, size: stat.size } },
      );
    }
    if (!isPrivate(stat)) {
      throw new OperationalError(
        codes.permissions,
        `the ${codes.what} ${path} is open to others: chown it to the service's user and chmod 600`,
        { details: { path, mode: (stat.mode & 0o777).toString(8), owner: stat.uid } },
      );
    }
    const bytes = Buffer.allocUnsafeSlow(stat.size);
    const { bytesRead } = await file.read(bytes, 0, stat.size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The code of a system error, `ENOENT` and the like. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

function isPrivate(stat: { readonly mode: number; readonly uid: number; readonly gid: number }) {
  if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) return false;
  const shown = stat.mode & 0o077;
  return shown === 0 || (shown === 0o040 && stat.uid === 0 && stat.gid === 0);
}
