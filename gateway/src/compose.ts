/** The composition root of tamga-gateway: every part, in the order in which it opens. */

import { availableParallelism } from "node:os";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { HttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import type { Service } from "@tamga/ledger-core/daemon/service";
import { databaseError } from "@tamga/ledger-core/daemon/sqlite";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { channelsOf } from "./channels.ts";
import { openAppraisal } from "./compose-appraiser.ts";
import type { Base, StoppedChannel } from "./compose-base.ts";
import { isOfOneChannel, openStores, stoppedBy } from "./compose-base.ts";
import { ChannelLine } from "./compose-channel.ts";
import { composeHttp } from "./compose-http.ts";
import type { GatewayConfig } from "./config.ts";
import { VerifyPool } from "./ingest/verify-pool.ts";
import { createMetrics } from "./metrics.ts";
import { RegistryWatch } from "./registry/registry-watch.ts";
import { SharedTrouble } from "./shared-trouble.ts";
import type { GatewayAddress } from "./site/address.ts";
import { encodeAddress } from "./site/address.ts";

/** @returns the services for `runServices`; nothing has been opened yet. */
export function composeGateway(
  config: GatewayConfig,
  {
    clock,
    logger,
    ready,
  }: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly ready: (address: GatewayAddress) => void;
  },
): readonly Service[] {
  let built: Gateway | undefined;
  return [
    {
      name: "gateway",
      open: async () => {
        built = await Gateway.open(config, clock, logger);
        ready(await built.listen());
      },
      run: async ({ signal }) => built?.run(signal),
      close: async () => built?.close(),
    },
  ];
}

/** The running daemon. Opens from the disk outwards, closes from the network inwards. */
class Gateway {
  readonly #base: Base;
  readonly #pool: VerifyPool;
  readonly #watch: RegistryWatch;
  readonly #http: HttpServer;
  /** The channels that run. */
  readonly #lines: Map<Identifier, ChannelLine>;
  /** Those that do not, and why. */
  readonly #stopped: Map<Identifier, StoppedChannel>;

  private constructor(
    base: Base,
    parts: {
      readonly pool: VerifyPool;
      readonly watch: RegistryWatch;
      readonly lines: Map<Identifier, ChannelLine>;
      readonly stopped: Map<Identifier, StoppedChannel>;
      readonly http: HttpServer;
    },
  ) {
    this.#base = base;
    this.#pool = parts.pool;
    this.#watch = parts.watch;
    this.#lines = parts.lines;
    this.#stopped = parts.stopped;
    this.#http = parts.http;
  }

  static async open(config: GatewayConfig, clock: Clock, logger: Logger): Promise<Gateway> {
    const lines = new Map<Identifier, ChannelLine>();
    const stores = await openStores(config, {
      clock,
      stopped: (channel, error) => lines.get(channel)?.fail(error),
      membersChanged: () => {
        for (const line of lines.values()) line.membersChanged();
      },
    });
    const metrics = createMetrics();
    const trouble = new SharedTrouble<Identifier>();
    const base: Base = { ...stores, config, clock, logger, metrics, trouble };
    const watch = composeWatch(base, lines);
    const pool = new VerifyPool(Math.min(config.ingest.verify_threads, availableParallelism()));
    const appraisal = openAppraisal(base);
    for (const channel of stores.channels) {
      const line = await ChannelLine.open(base, channel, { pool, watch, appraisal });
      lines.set(channel.config.channel, line);
      logger.info(
        { event: "site.opened", origin: channel.lane.origin, bodyCopies: 1 },
        "bodies are kept in one copy: a lost disk is made good by what the agents still hold",
      );
    }
    const stopped = new Map(stores.stopped.map((one) => [one.channel, one]));
    for (const one of stopped.values()) sayStopped(logger, one);
    const http = composeHttp(base, { lines, stopped, pool });
    return new Gateway(base, { pool, watch, lines, stopped, http });
  }

  /** Listens, and says where in `address.json` for the commands that run beside the daemon. */
  async listen(): Promise<GatewayAddress> {
    const { config, paths } = this.#base;
    const ports: Record<string, number> = {};
    for (const [channel, line] of this.#lines) ports[channel] = await line.listen();
    const { host, port } = await this.#http.listen();
    const name = host.includes(":") ? `[${host}]` : host;
    const mqttPort = ports[config.channel];
    const address: GatewayAddress = {
      http: `http://${name}:${port}`,
      ...(mqttPort === undefined ? {} : { mqttPort }),
      ...(channelsOf(config).length === 1 ? {} : { channels: ports }),
    };
    writeFileDurable(paths.address, utf8(encodeAddress(address)), 0o644);
    return address;
  }

  async run(signal: AbortSignal): Promise<void> {
    const lines = [...this.#lines].map(([channel, line]) => this.#runLine(channel, line, signal));
    await Promise.race([this.#watch.run({ signal }), ...lines]);
  }

  async close(): Promise<void> {
    await this.#http.close();
    for (const line of this.#lines.values()) await line.close();
    await this.#pool.close();
    await this.#base.close();
  }

  /** Where there are others, a channel that can go on no more leaves them alone. */
  async #runLine(channel: Identifier, line: ChannelLine, signal: AbortSignal): Promise<void> {
    try {
      await line.run(signal);
    } catch (thrown) {
      const error = databaseError(thrown, `of the channel ${channel}`);
      if (signal.aborted || this.#lines.size === 1 || !isOfOneChannel(error)) throw thrown;
      this.#lines.delete(channel);
      const stopped = stoppedBy(channel, error);
      this.#stopped.set(channel, stopped);
      this.#base.trouble.ends(channel);
      sayStopped(this.#base.logger, stopped);
      await line.close();
      await aborted(signal);
    }
  }
}

function sayStopped(logger: Logger, { channel, code, sentence }: StoppedChannel): void {
  logger.error(
    { event: "channel.stopped", channel, code },
    `this channel takes nothing until the next start, the others go on: ${sentence}`,
  );
}

function composeWatch(base: Base, lines: ReadonlyMap<Identifier, ChannelLine>): RegistryWatch {
  const { clock, registry, metrics } = base;
  const watch: RegistryWatch = new RegistryWatch({
    registry,
    changed: () => {
      for (const { orderer, broker } of lines.values()) {
        // A revocation is also a transaction that waits for the ledger.
        orderer.notifyKeys();
        const cut = broker.cutOff((device) => !watch.maySign(device));
        for (let i = 0; i < cut; i++) metrics.refused("CLIENT_REVOKED");
      }
    },
    clock,
  });
  return watch;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
