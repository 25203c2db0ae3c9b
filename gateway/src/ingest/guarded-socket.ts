/**
 * Stands between a client's socket and the broker's parser: stops packets that declare too much or take too
 * long, and reads no new packet while the bytes in flight are used up. TCP then makes the client wait.
 */

import type { Duplex } from "node:stream";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { connectBytesMax, packetBytesMax, packetMsMax } from "../limits.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { OpenPacket } from "./open-packet.ts";
import { PacketGuard } from "./packet-guard.ts";

export type GuardOptions = {
  readonly device: Identifier;
  readonly budget: ByteBudget;
  readonly clock: Pick<Clock, "sleep">;
  /** Ends the connection, with the reason. */
  readonly cut: (code: string) => void;
};

/**
 * Judges every chunk as the broker takes it off the socket: no copy, no second buffer. A packet that
 * has begun is always read on, so that half-open packets cannot block each other.
 */
export function guardSocket(socket: Duplex, options: GuardOptions): void {
  const { device, budget, clock, cut } = options;
  const guard = new PacketGuard({ packetBytesMax, connectBytesMax });
  const open = new OpenPacket({
    take: (bytes) => budget.take(device, bytes),
    give: (bytes) => budget.give(device, bytes),
    late: () => cut("MQTT_PACKET_TOO_SLOW"),
    clock,
    msMax: packetMsMax,
  });
  let stopWaiting: (() => void) | undefined;
  socket.once("close", () => {
    open.close();
    stopWaiting?.();
  });
  const waitForRoom = (bytes: number) => {
    stopWaiting ??= budget.whenRoom(device, bytes, () => {
      stopWaiting = undefined;
      // In a turn of its own: whoever gave the bytes back may be in the middle of a read.
      setImmediate(() => {
        if (!socket.destroyed) socket.emit("readable");
      });
    });
  };
  const read = socket.read.bind(socket);
  socket.read = (size?: number): Buffer | null => {
    let wanted = size;
    // What lies there may end packets as long as itself, and begin one of any length.
    const needed = packetBytesMax + socket.readableLength;
    if (budget.room(device) < needed) {
      if (guard.left === 0) {
        waitForRoom(needed);
        return null;
      }
      wanted = Math.min(guard.left, socket.readableLength);
    }
    const chunk: Buffer | null = read(wanted);
    if (chunk === null) return null;
    const judged = guard.push(chunk);
    if (!judged.ok) {
      cut(judged.fault.code);
      return null;
    }
    if (open.follow(judged.value)) return chunk;
    cut("BYTES_IN_FLIGHT_FULL");
    return null;
  };
}
