/** Has a serial port that was pulled out end as what it is: the package reads it for ever in one of two cases. */

import { read as readCallback } from "node:fs";
import { promisify } from "node:util";
import type { SerialPort } from "serialport";

const read = promisify(readCallback);

/** What the package opens: everywhere but on Windows it has a file descriptor and somebody who watches it. */
type OpenPort = NonNullable<SerialPort["port"]>;
type WatchedPort = Extract<OpenPort, { readonly poller: unknown }>;

/**
 * Takes over how an open port is read, before its first byte was.
 *
 * A terminal that was hung up has nothing to read, now and ever after: read(2) gives 0 bytes, and 0 bytes in no
 * other case here (non-blocking, VMIN 1). Who waits for bytes at that moment is woken with an error, and the
 * package says that the line was lost. Who comes from a read is given 0, and the package reads again at
 * once, without end, at the full speed of a core and with a promise more each time.
 */
export function endAtHangUp(port: OpenPort): void {
  if (!("poller" in port)) return;
  port.read = async (buffer, offset, length) => {
    for (;;) {
      const bytesRead = await readNow(fdOf(port), { buffer, offset, length });
      if (bytesRead === 0) throw new Error("disconnected");
      if (bytesRead !== undefined) return { bytesRead, buffer };
      // Closed meanwhile, its watcher is gone: to ask that one ends the process.
      fdOf(port);
      await readable(port);
    }
  };
}

/** @throws what the package takes for a port that was closed on purpose. */
function fdOf({ fd }: WatchedPort): number {
  if (fd === null) throw Object.assign(new Error("Port is not open"), { canceled: true });
  return fd;
}

/** @returns undefined where nothing has come yet. */
async function readNow(
  fd: number,
  { buffer, offset, length }: { readonly buffer: Buffer; offset: number; length: number },
): Promise<number | undefined> {
  try {
    return (await read(fd, buffer, offset, length, null)).bytesRead;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EINTR") return undefined;
    throw error;
  }
}

function readable({ poller }: WatchedPort): Promise<void> {
  return new Promise((resolve, reject) => {
    poller.once("readable", (error) => (error === null ? resolve() : reject(error)));
  });
}
