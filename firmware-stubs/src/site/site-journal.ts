/** Follows each reading through the site and prints a line at each step, up to its verified receipt. */

import type { SiteReceipts } from "./site-receipts.ts";

const steps = ["read", "signed", "stored", "provisional", "final", "rejected"] as const;
type Step = (typeof steps)[number];
type AgentLine = {
  readonly event: Step;
  readonly stream: string;
  readonly incarnation: string;
  readonly sequence: string;
  readonly count: number;
  readonly kind?: string;
  readonly code?: string;
};

export type SiteJournalOptions = {
  readonly write: (line: string) => void;
  /** So many verified final receipts end the run. */
  readonly wanted: number | undefined;
  readonly reached: () => void;
};

/** Readings whose beginning is remembered, to print how long they took. */
const followedMax = 10_000;

export class SiteJournal {
  readonly #options: SiteJournalOptions;
  readonly #readAt = new Map<string, number>();
  /** Readings whose receipt was fetched: a proof may come twice, a reading counts once. */
  readonly #final = new Set<string>();
  #receipts: SiteReceipts | undefined;
  #verified = 0;
  #newest: string | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: SiteJournalOptions) {
    this.#options = options;
  }

  follow(receipts: SiteReceipts): void {
    this.#receipts = receipts;
  }

  say(text: string): void {
    this.#options.write(`${clockTime()}  ${text}`);
  }

  /** One line of an agent's stdout; anything but a step of a reading is passed over. */
  agentLine(device: string, text: string): void {
    const line = parseLine(text);
    if (line === undefined) return;
    if (line.kind !== undefined && line.kind !== "bundle" && line.event !== "rejected") return;
    for (let i = 0; i < line.count; i++) {
      const sequence = (BigInt(line.sequence) + BigInt(i)).toString();
      this.#step(device, line, sequence);
    }
  }

  /** What to print at the end. */
  summary(command: (file: string) => string): readonly string[] {
    if (this.#newest === undefined) return ["no final receipt yet"];
    return [
      "",
      `${this.#verified} readings have final receipts, each verified here from its bytes and the trust policy`,
      `newest receipt: ${this.#newest}`,
      `verify it again with: ${command(this.#newest)}`,
    ];
  }

  #step(device: string, line: AgentLine, sequence: string): void {
    const key = `${device}/${line.incarnation}/${sequence}`;
    const now = performance.now();
    if (line.event === "read") {
      this.#readAt.set(key, now);
      forgetOldest(this.#readAt);
    }
    if (this.#final.has(key)) return;
    const since = now - (this.#readAt.get(key) ?? now);
    const words = wordsOf(line);
    this.#print(device, `${line.stream} #${sequence}`, `${words} (+${since.toFixed(0)} ms)`);
    if (line.event !== "final") return;
    this.#readAt.delete(key);
    remember(this.#final, key);
    this.#work = this.#work.then(() =>
      this.#receipt(
        device,
        { device, incarnation: line.incarnation, sequence },
        `${line.stream} #${sequence}`,
      ),
    );
  }

  async #receipt(
    device: string,
    at: { device: string; incarnation: string; sequence: string },
    label: string,
  ): Promise<void> {
    if (this.#receipts === undefined) return;
    try {
      const file = await this.#receipts.fetch(at);
      this.#newest = file;
      this.#verified++;
      this.#print(device, label, `receipt verified: ${file}`);
    } catch (error) {
      const sentence = error instanceof Error ? error.message : String(error);
      this.#print(device, label, `RECEIPT NOT VERIFIED: ${sentence}`);
      return;
    }
    if (this.#verified === this.#options.wanted) this.#options.reached();
  }

  #print(device: string, label: string, words: string): void {
    this.#options.write(`${clockTime()}  ${device.padEnd(10)} ${label.padEnd(12)} ${words}`);
  }
}

function remember(keys: Set<string>, key: string): void {
  keys.add(key);
  forgetOldest(keys);
}

function forgetOldest(kept: Set<string> | Map<string, number>): void {
  if (kept.size <= followedMax) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}

function wordsOf(line: AgentLine): string {
  switch (line.event) {
    case "read":
      return "read        from an emulated device";
    case "signed":
      return "signed      and durable in the agent's outbox";
    case "stored":
      return "stored      durable at the gateway";
    case "provisional":
      return "receipt     provisional: signed by the gateway alone";
    case "final":
      return "receipt     final: in the ledger, sealed";
    case "rejected":
      return `REJECTED    ${line.code ?? ""}`;
  }
}

function parseLine(text: string): AgentLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isAgentLine(value) ? value : undefined;
}

function isAgentLine(value: unknown): value is AgentLine {
  if (typeof value !== "object" || value === null || !("event" in value)) return false;
  return steps.some((step) => step === value.event) && "sequence" in value && "count" in value;
}

function clockTime(): string {
  return new Date().toISOString().slice(11, 23);
}
