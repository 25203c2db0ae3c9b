/** Certificate chains of gateways whose heads were verified, kept so that provisional proofs can be judged after a restart. */

import { readFileSync } from "node:fs";
import { equal, fromBase64, toBase64 } from "@tamga/ledger-core/base/bytes";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { chainLengthMax } from "@tamga/ledger-core/wire/limits";
import { z } from "zod";
import { gatewayChainsMax } from "./limits.ts";

const schema = z.record(z.string(), z.array(z.string()).min(1).max(chainLengthMax));

export class GatewayChains {
  readonly #path: string;
  readonly #chains: Map<Identifier, readonly Uint8Array[]>;

  /** What cannot be read is forgotten: the next head brings it again. */
  constructor(path: string) {
    this.#path = path;
    this.#chains = new Map(readChains(path));
  }

  list(): readonly (readonly [Identifier, readonly Uint8Array[]])[] {
    return [...this.#chains];
  }

  /** On disk when it returns, where it is new. */
  keep(gateway: Identifier, chain: readonly Uint8Array[]): void {
    const known = this.#chains.get(gateway);
    if (known?.length === chain.length && known.every((der, i) => equal(der, chain[i] ?? der)))
      return;
    if (known === undefined && this.#chains.size >= gatewayChainsMax) return;
    this.#chains.set(gateway, chain);
    const content = Object.fromEntries(
      [...this.#chains].map(([name, ders]) => [name, ders.map(toBase64)]),
    );
    const text = `${JSON.stringify(content, undefined, 2)}\n`;
    writeFileDurable(this.#path, new TextEncoder().encode(text), 0o644);
  }
}

function readChains(path: string): readonly (readonly [Identifier, readonly Uint8Array[]])[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) return [];
  return Object.entries(parsed.data)
    .slice(0, gatewayChainsMax)
    .flatMap(([text, chain]) => {
      const name = parseIdentifier(text);
      const ders = chain.map(fromBase64).filter((der) => der !== undefined);
      return name.ok && ders.length === chain.length ? [[name.value, ders] as const] : [];
    });
}
