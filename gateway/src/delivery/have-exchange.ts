/** Collects the pages of one device's `have` exchange. Pure, and bounded. */

import { equal } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { HaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import { havePagesMax } from "../limits.ts";

export type HaveFault = { readonly code: "HAVE_TOO_MANY_PAGES" };

export class HaveExchange {
  #pages: HaveMessage[] = [];

  /** @returns all pages, once the last has come; undefined before. A new nonce starts anew. */
  add(page: HaveMessage): Result<readonly HaveMessage[] | undefined, HaveFault> {
    const first = this.#pages[0];
    if (first !== undefined && !equal(first.nonce, page.nonce)) this.#pages = [];
    if (this.#pages.length === havePagesMax) {
      this.#pages = [];
      return err({ code: "HAVE_TOO_MANY_PAGES" });
    }
    this.#pages.push(page);
    if (!page.last) return ok(undefined);
    const pages = this.#pages;
    this.#pages = [];
    return ok(pages);
  }
}
