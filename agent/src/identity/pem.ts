/** Certificates as PEM text (RFC 7468) and back. */

import { fromBase64 } from "@tamga/ledger-core/base/bytes";
import { chainLengthMax } from "@tamga/ledger-core/wire/limits";

/** Leaf first. */
export function encodeCertificatesPem(chain: readonly Uint8Array[]): string {
  return chain
    .map((der) => {
      const lines =
        Buffer.from(der)
          .toString("base64")
          .match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
    })
    .join("");
}

/** @returns the certificates in their order; undefined where there is none, or one cannot be read. */
export function parseCertificatesPem(text: string): readonly Uint8Array[] | undefined {
  const blocks = [
    ...text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g),
  ].map((match) => fromBase64((match[1] ?? "").replace(/\s/g, "")));
  const chain = blocks.filter((der) => der !== undefined);
  const whole = chain.length === blocks.length && chain.length > 0;
  return whole && chain.length <= chainLengthMax ? chain : undefined;
}
