/**
 * A device's receipts across a recovery: one that was sealed before the loss, one that the survivors' seals do not
 * reach any more, and one that was never ordered.
 */

import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { judgeReceiptFile } from "@tamga/ledger-core/verify-commands";
import { encodeEnrolmentRequest, parseEnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import { encodeHaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import type { DeviceKeys } from "../../../test/support/device-keys.ts";
import { createDeviceKeys } from "../../../test/support/device-keys.ts";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { TestDevice } from "../../../test/support/test-device.ts";
import type { Made } from "../../../test/support/test-stream.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name as identifier } from "../../../test/support/wire-samples.ts";
import { sitePaths } from "../site/site.ts";
import { acknowledgement } from "./recover-command.ts";

const four = ["a", "b", "c", "d"];
const survivors = ["a", "b", "c"];
const statusSchema = z.looseObject({ size: z.int(), sealedSize: z.int() });
const code = (expected: string) => expect.objectContaining({ code: expected });
let consortium: GatewayConsortium;
let keys: DeviceKeys;
let device: TestDevice;

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-recover-receipts-"));
  consortium = await GatewayConsortium.create(directory, four);
  await consortium.open(four);
  for (const name of four) await consortium.start(name);
  keys = await createDeviceKeys(identifier("meter-1"));
  const request = consortium.path("request.json");
  writeFileSync(request, encodeEnrolmentRequest(keys.request));
  device = await take("approve", "--request", request);
});
afterEach(async () => {
  await device.disconnect();
  await consortium.close();
});

const run = (name: string, ...args: string[]) => consortium.run(name, ...args);
const ledgerOf = (name: string) => sitePaths(consortium.directoryOf(name)).ledger;

/** The device with the answer file that this command of gateway `a` writes, on the line. */
async function take(...command: string[]): Promise<TestDevice> {
  const file = consortium.path("answer.json");
  await consortium.devices("a", ...command, "--out", file);
  const taken = new TestDevice(keys, unwrap(parseEnrolmentAnswer(readFileSync(file, "utf8"))));
  await taken.connect(consortium.addressOf("a").mqttPort);
  return taken;
}

/** Waits until all these have sealed whatever they have ordered, and the same. */
const allSealed = (names: readonly string[]) =>
  vi.waitFor(async () => {
    const sizes = new Set<number>();
    for (const name of names) {
      const { size, sealedSize } = statusSchema.parse(await consortium.json(name, "status"));
      sizes.add(size).add(sealedSize);
    }
    expect(sizes.size).toBe(1);
  }, soon);

/** The receipt as the gateway gives it now, in a file. */
async function receiptOf(made: Made, to: string): Promise<string> {
  const at = `${device.name}/${toHex(made.incarnation)}/${made.range.first}`;
  const answer = await fetch(`${consortium.addressOf("a").http}/receipts/${at}`);
  writeFileSync(consortium.path(to), new Uint8Array(await answer.arrayBuffer()));
  return consortium.path(to);
}

/** All but the CA, which its organisation keeps elsewhere. */
function loseDisk(name: string): void {
  const directory = consortium.directoryOf(name);
  for (const entry of readdirSync(directory))
    if (entry !== "site-ca" && entry !== "gateway.toml")
      rmSync(join(directory, entry), { recursive: true });
}

/** Three of the four recover from what `b` holds; `c` comes back with nothing but its CA. */
async function recover(): Promise<void> {
  const file = consortium.path("recovery");
  const lost = consortium.path("lost.export");
  await run("b", "export", "--to", lost);
  await run("c", "join", "--out", consortium.path("c-new.json"));
  await run("c", "join", "--take", consortium.path("channel.tamga"), "--follow");
  await run("c", "import", lost);
  const change = ["--remove", "c", "d", "--admit", consortium.path("c-new.json"), "--to", file];
  await run("b", "propose", "recovery", ...change, "--acknowledge", acknowledgement);
  // It has a later seal, so that what came between would be lost.
  await expect(run("a", "approve", file)).rejects.toThrow(code("RECOVERY_SEALED_LATER"));
  // That database is lost as well: only an older copy is left of it.
  copyFileSync(consortium.path("a-older.db"), ledgerOf("a"));
  for (const name of ["a", "c"]) await run(name, "approve", file);
  for (const name of survivors) {
    await run(name, "recover", file);
    consortium.configure(name, survivors);
    await consortium.start(name);
  }
}

it("keeps what was final valid, and makes final what the lost channel had not sealed", async () => {
  const trust = consortium.path("trust-first.json");
  copyFileSync(sitePaths(consortium.directoryOf("a")).trust, trust);
  const stream = device.stream();
  const [first, second, third] = [stream.start(), stream.bundle(3), stream.bundle(2)];
  await device.send(first);
  expect(await device.until(first, "final")).toMatchObject({ kind: "final" });
  await allSealed(four);
  const before = await receiptOf(first, "before.receipt");

  await consortium.stop("b");
  await consortium.stop("a");
  copyFileSync(ledgerOf("a"), consortium.path("a-older.db"));
  await consortium.start("a");
  await device.connect(consortium.addressOf("a").mqttPort);
  await device.send(second);
  expect(await device.until(second, "final")).toMatchObject({ kind: "final" });
  const unsealed = await receiptOf(second, "unsealed.receipt");

  for (const name of ["c", "d"]) {
    await consortium.stop(name);
    loseDisk(name);
  }
  await device.send(third);
  expect(await device.until(third, "provisional")).toMatchObject({ kind: "provisional" });
  await device.disconnect();
  await consortium.stop("a");
  await recover();

  device = await take("answer", "meter-1");
  for (const made of [first, second, third]) device.remember(made);
  // It has forgotten the first one's proof, and trusts the recovered channel alone.
  const pending = [{ stream: stream.name, incarnation: stream.incarnation, ranges: [first.range] }];
  const asked = { nonce: new Uint8Array(8), last: true, pending, kept: [] };
  for (const made of [second, third]) await device.until(made, "final");
  await device.publish("have", encodeHaveMessage(asked));
  for (const made of [first, second, third])
    expect(await device.until(made, "final")).toMatchObject({ kind: "final" });
  const epochs = consortium.path("epochs.tamga");
  await run("a", "epochs", "--to", epochs);
  const alone = { trust, lang: "en" } as const;
  const options = { ...alone, epochs };
  for (const by of [alone, options])
    expect(judgeReceiptFile(before, by)).toMatchObject({ valid: true });
  // Who does not know of the recovery still takes what the lost channel sealed beyond it.
  expect(judgeReceiptFile(unsealed, alone)).toMatchObject({ valid: true });
  expect(judgeReceiptFile(unsealed, options).object).toMatchObject({ code: "SEAL_AFTER_RECOVERY" });
  for (const [index, made] of [first, second, third].entries()) {
    const after = await receiptOf(made, `after-${index}.receipt`);
    const judged = judgeReceiptFile(after, options);
    expect(judged.object).toMatchObject({ valid: true });
    expect(judged.lines.join("\n")).toMatch(
      /was RECOVERED at \d{4}-\d\d-\d\dT.* from its checkpoint of size \d+, by 3 of 4 organisations/,
    );
    expect(judgeReceiptFile(after, alone).object).toMatchObject({
      code: "SEAL_COSIGNATURE_WRONG",
    });
  }
});
