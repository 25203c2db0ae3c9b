/** An agent without its line, on a real outbox: from the files of a data directory, as a start opens them. */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { DeviceIdentity } from "../identity/device-identity.ts";
import { outboxMigrations } from "../outbox/outbox-schema.ts";
import type { OutboxRun } from "../outbox/sqlite-outbox.ts";
import { SqliteOutbox } from "../outbox/sqlite-outbox.ts";
import { HeldSigner } from "../signer/held-signer.ts";
import { openSigner } from "../signer/open-signer.ts";
import { KeyRotation } from "./key-rotation.ts";
import { keyInUse, readRotation } from "./rotation-file.ts";
import { settleFiles, takeWayBack } from "./settle-files.ts";

const { signal } = new AbortController();
const clock = new SystemClock();

export class RotationBox {
  readonly dataDir: string;
  readonly held: HeldSigner;
  readonly identity: DeviceIdentity;
  readonly outbox: SqliteOutbox;
  readonly rotation: KeyRotation;
  readonly #close: () => void;
  run: OutboxRun | undefined;

  private constructor(
    dataDir: string,
    parts: Pick<RotationBox, "held" | "identity" | "outbox" | "rotation">,
    close: () => void,
  ) {
    this.dataDir = dataDir;
    this.held = parts.held;
    this.identity = parts.identity;
    this.outbox = parts.outbox;
    this.rotation = parts.rotation;
    this.#close = close;
  }

  /** @param named the key that the configuration names. */
  static async start(dataDir: string, named: string): Promise<RotationBox> {
    const record = takeWayBack(dataDir, readRotation(dataDir));
    const config = { data_dir: dataDir, key: named };
    const key = keyInUse(config, record);
    if (record?.key === key) settleFiles(dataDir, record);
    const open = (uri: string) => openSigner({ uri, profile: "development", create: false });
    const held = new HeldSigner(await open(key));
    const identity = await DeviceIdentity.load(dataDir, held);
    const database = openDatabase(join(dataDir, "outbox.db"), { migrations: outboxMigrations });
    const outbox = new SqliteOutbox({
      database,
      config: {
        quota: 2 ** 30,
        whenFull: "stop",
        maxCount: 64,
        maxBytes: 900_000,
        journalAfterMs: 1,
      },
      address: identity.address,
      signer: held.current,
      clock,
      crypto: nodeCrypto,
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      onStatement: () => undefined,
      onFailure: (error) => {
        throw error;
      },
    });
    const rotation = new KeyRotation({
      dataDir,
      record,
      key,
      identity,
      held,
      outbox,
      open,
      prove: async () => undefined,
      clock,
      logger: silentLogger,
    });
    return new RotationBox(dataDir, { held, identity, outbox, rotation }, () => {
      outbox.close();
      database.close();
    });
  }

  look(): Promise<void> {
    return this.rotation.look({ signal });
  }

  /** Has the stream say that it lives. @returns the statement, as it waits to be sent. */
  async state() {
    this.run ??= await this.#open();
    await this.outbox.heartbeat(this.run, { clock: "ntp" });
    const sent = this.outbox.nextToSend({ room: 64 });
    return present(sent.at(-1), "statement");
  }

  async #open(): Promise<OutboxRun> {
    const { run, started } = await this.outbox.openRun({
      stream: this.identity.address.device,
      protocol: "dsmr-p1",
      emulated: true,
      incarnation: crypto.getRandomValues(new Uint8Array(16)),
      bootId: new Uint8Array(16),
      agentVersion: "0.1.0",
    });
    await started;
    return run;
  }

  close(): void {
    this.#close();
  }
}
