/** Certificates out of PEM files of an operator's. */

import { X509Certificate } from "node:crypto";
import { fromUtf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { pemFileBytesMax } from "../limits.ts";

/**
 * In the order of the files and of the blocks in them.
 *
 * @returns DER. @throws OperationalError FILE_UNREADABLE, CERTIFICATE_FILE_INVALID.
 */
export function readPemCertificates(files: readonly string[]): readonly Uint8Array[] {
  return files.flatMap((file) => {
    const text = fromUtf8(readBounded(file, pemFileBytesMax)) ?? "";
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) throw invalid(file, undefined);
    return blocks.map((pem) => {
      try {
        return new Uint8Array(new X509Certificate(pem).raw);
      } catch (cause) {
        throw invalid(file, cause);
      }
    });
  });
}

function invalid(file: string, cause: unknown): OperationalError {
  const sentence = `${file} holds no certificates in PEM: write them as "-----BEGIN CERTIFICATE-----" blocks.`;
  return new OperationalError("CERTIFICATE_FILE_INVALID", sentence, { cause, details: { file } });
}
