/** The certificates of TPM makers that a site trusts, out of PEM files. */

import { X509Certificate } from "node:crypto";
import { fromUtf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { tpmRootFileBytesMax } from "../limits.ts";

/** @throws OperationalError FILE_UNREADABLE, TPM_ROOT_INVALID. */
export function readTpmRoots(files: readonly string[]): readonly X509Certificate[] {
  return files.flatMap((file) => {
    const text = fromUtf8(readBounded(file, tpmRootFileBytesMax)) ?? "";
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) throw invalid(file, undefined);
    return blocks.map((pem) => {
      try {
        return new X509Certificate(pem);
      } catch (cause) {
        throw invalid(file, cause);
      }
    });
  });
}

function invalid(file: string, cause: unknown): OperationalError {
  const sentence = `${file} holds no certificates in PEM: take the maker's roots from its web site.`;
  return new OperationalError("TPM_ROOT_INVALID", sentence, { cause, details: { file } });
}
