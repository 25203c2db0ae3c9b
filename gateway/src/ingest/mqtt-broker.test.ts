/** A device that does not read its downlink: what waits for it is bounded. */

import { webcrypto } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { downlinkFilter } from "@tamga/ledger-core/wire/topic";
import { afterEach, expect, it } from "vitest";
import { certificatePem, createDeviceKeys } from "../../../test/support/device-keys.ts";
import { RawLine } from "../../../test/support/raw-line.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { downlinkBytesPerDeviceMax } from "../limits.ts";
import { SiteCa } from "../registry/site-ca.ts";
import { MqttBroker } from "./mqtt-broker.ts";

const now = unixMillis(Date.now());
const validity = { from: unixMillis(now - 86_400_000), to: unixMillis(now + 86_400_000) };
const channel = name("milk");
const device = name("deaf");
const folder = mkdtempSync(join(tmpdir(), "mqtt-broker-"));
let broker: MqttBroker | undefined;
let line: RawLine | undefined;

afterEach(async () => {
  line?.end();
  await broker?.close();
  rmSync(folder, { recursive: true });
});

/** A broker with one device on the line that has subscribed and reads no more. */
async function withDeafDevice(refused: (code: string) => void): Promise<MqttBroker> {
  const ca = await SiteCa.open({ dir: folder, organisation: name("dairy"), now, create: true });
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", own.privateKey));
  const { publicKey } = own;
  const gateway = {
    publicKey,
    channel,
    gateway: name("gateway-1"),
    hosts: ["localhost"],
    validity,
  };
  const [server] = await ca.issueGatewayTls(gateway);
  const keys = await createDeviceKeys(device);
  const issued = await ca.issueTls({ csr: keys.renewal.tls, channel, device, validity });
  const [client] = present(issued.ok ? issued.value : undefined, "certificate");
  const online = Promise.withResolvers<void>();
  const created = await MqttBroker.create({
    channel,
    tls: {
      key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString("base64")}\n-----END PRIVATE KEY-----\n`,
      certificate: certificatePem(server),
      ca: certificatePem(ca.certificate()),
    },
    certificate: () => ({ device, notAfter: validity.to, revoked: false }),
    deliver: async () => undefined,
    online: () => online.resolve(),
    offline: () => undefined,
    refused,
    clock: new SystemClock(),
    logger: silentLogger,
  });
  broker = created;
  const port = await created.listen("127.0.0.1", 0);
  line = await RawLine.open({
    host: "127.0.0.1",
    port,
    key: keys.tlsKey,
    cert: certificatePem(client),
    rejectUnauthorized: false,
  });
  expect(await line.connect(device)).toBe(0);
  const topic = downlinkFilter({ channel, device });
  line.packet({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] });
  await online.promise;
  line.socket.pause();
  return created;
}

it("sends no more once a device leaves its share unread, and counts it", async () => {
  const refused: string[] = [];
  const to = await withDeafDevice((code) => refused.push(code));
  const payload = new Uint8Array(downlinkBytesPerDeviceMax / 8);
  let sent = 0;
  // The kernel's buffers take some; far less than this.
  for (let i = 0; i < 400 && to.send(device, "proof", payload); i++) {
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeGreaterThanOrEqual(8);
  expect(sent).toBeLessThan(400);
  expect(refused).toEqual(["DOWNLINK_FULL"]);
  line?.socket.resume();
  await expect.poll(() => to.send(device, "proof", payload)).toBe(true);
});
