/** Tells the other side of a connection why it is ended, without waiting for it or holding what it sends. */

import type { TLSSocket } from "node:tls";
import type { Clock } from "../daemon/system-clock.ts";
import type { PeerCode } from "./code.ts";
import { frameParts } from "./frame.ts";
import { encodeRefuse } from "./message.ts";

/** Milliseconds that the other side has to read why. */
export const refusalMsMax = 500;
/** Bytes that it may still send meanwhile; they are thrown away. */
export const refusalBytesMax = 262_144;

/** A connection that is closed over unread bytes is reset, and the reason would be lost with it. */
export function refuseSocket(socket: TLSSocket, code: PeerCode, clock: Clock): void {
  const late = new AbortController();
  socket.once("close", () => late.abort());
  socket.removeAllListeners("readable");
  let thrownAway = 0;
  socket.on("data", (chunk: Uint8Array) => {
    thrownAway += chunk.length;
    if (thrownAway > refusalBytesMax) socket.destroy();
  });
  socket.resume();
  for (const part of frameParts("refuse", encodeRefuse(code))) socket.write(part);
  socket.end();
  clock.sleep(refusalMsMax, { signal: late.signal }).then(
    () => socket.destroy(),
    () => undefined,
  );
}
