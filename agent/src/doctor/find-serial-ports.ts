/** Which serial ports this machine has, as a link would name them. */

import type { Finding } from "./finding.ts";
import { ok } from "./finding.ts";

export async function findSerialPorts(): Promise<readonly Finding[]> {
  const { SerialPort } = await import("serialport");
  const ports = await SerialPort.list();
  // Boards list dozens of ports that end at no plug; one with a maker is something that was plugged in.
  const plugged = ports.filter(({ manufacturer }) => manufacturer !== undefined);
  if (plugged.length === 0) return [ok("serial ports", "No USB reader or adapter is plugged in.")];
  return plugged.map(({ path, manufacturer = "" }) =>
    ok("serial ports", `${path} (${manufacturer}): link = "serial:${path}?baud=…".`),
  );
}
