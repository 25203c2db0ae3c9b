/** What troubles several channels at once, e.g. a full disk: said once, and over when it is over for all. */

export class SharedTrouble<Channel> {
  readonly #codes = new Map<Channel, string>();

  /** @returns whether it is news: no channel is troubled by it yet. */
  begins(channel: Channel, code: string): boolean {
    const isNews = ![...this.#codes.values()].includes(code);
    this.#codes.set(channel, code);
    return isNews;
  }

  ends(channel: Channel): void {
    this.#codes.delete(channel);
  }

  /** Each code once, whatever the number of channels. */
  get codes(): readonly string[] {
    return [...new Set(this.#codes.values())];
  }
}
