/** One signing key after the other on a real outbox: which one signs, and what is on disk, at each step. */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { monotonicMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import {
  parseRotationMessage,
  rotationIdentity,
  verifyRotation,
} from "@tamga/ledger-core/wire/key-rotation";
import type { RenewalOutcome } from "@tamga/ledger-core/wire/renewed-message";
import { encodeRenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { encodeRotationFile } from "@tamga/ledger-core/wire/rotation-files";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCertificate, keyOf } from "../../../test/support/certificate-builder.ts";
import { EnrolledDevice } from "../../../test/support/enrolled-device.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { readDeviceRecord } from "../identity/device-identity.ts";
import { earlierKeysMax } from "../limits-daemon.ts";
import { loadKeyFile, openFileSigner } from "../signer/file-signer.ts";
import { leaveAnswer } from "./carried-answer.ts";
import { kidOf } from "./make-request.ts";
import { earlierWith, keyInUse, readNextKey, readRotation, writeNextKey } from "./rotation-file.ts";
import { RotationBox } from "./rotation-test-bed.ts";

const size = 9n;
const checkpoint = { size, root: nodeCrypto.sha256(new Uint8Array()) };

describe("a rotation", () => {
  let device: EnrolledDevice;
  let dataDir: string;
  let kidA: string;
  let kidB: string;
  let uriB: string;
  const boxes: RotationBox[] = [];
  const copies: string[] = [];
  const start = async (directory = dataDir) => {
    const box = await RotationBox.start(directory, `file:${join(dataDir, "signing.key")}`);
    boxes.push(box);
    return box;
  };
  const stop = (box: RotationBox) => {
    boxes.splice(boxes.indexOf(box), 1);
    box.close();
  };

  beforeEach(async () => {
    device = new EnrolledDevice();
    dataDir = device.dataDir;
    kidA = toHex(kidOf(device.channel.device.key.publicKey));
    uriB = `file:${join(dataDir, "b.key")}`;
    const b = await openFileSigner({ path: join(dataDir, "b.key"), create: true });
    kidB = toHex(kidOf(b.publicKey()));
  });
  afterEach(() => {
    for (const box of boxes.splice(0)) box.close();
    for (const copy of copies.splice(0)) rmSync(copy, { recursive: true });
    device.remove();
  });

  const kidsOf = (bytes: Uint8Array) => toHex(unwrap(parseStatement(bytes)).header.kid);
  const inUse = (box: RotationBox) => toHex(kidOf(box.held.publicKey()));

  /** What the gateway would say to a request for this key file. */
  async function certified(file = "b.key"): Promise<RenewalOutcome> {
    const { ca, device: named } = device.channel;
    const { channel } = device.address;
    const signing = createCertificate({
      subject: named.name,
      issuer: ca,
      publicKey: keyOf("ES256", await loadKeyFile(join(dataDir, file))),
      uris: [`urn:x-tamga:device:${channel}:${named.name}`, "urn:x-tamga:key:file"],
    });
    const { tls } = device.certificates();
    return { type: "certified", certificates: { signing: [signing], tls } };
  }

  function answer(box: RotationBox, outcome: RenewalOutcome): Promise<boolean> {
    const payload = present(box.rotation.due(monotonicMillis(1e12)), "request");
    const request = unwrap(parseRotationMessage(payload));
    const identity = present(rotationIdentity(nodeCrypto, request), "identity");
    return box.rotation.take({ request: identity, outcome });
  }

  async function asking(): Promise<RotationBox> {
    const box = await start();
    writeNextKey(dataDir, { to: uriB });
    await box.look();
    expect(box.rotation.status()).toMatchObject({ phase: "asking", to: uriB });
    return box;
  }

  async function proving(): Promise<RotationBox> {
    const box = await asking();
    expect(await answer(box, await certified())).toBe(true);
    return box;
  }

  function copy(from = dataDir): string {
    const to = mkdtempSync(join(tmpdir(), "tamga-copy-"));
    cpSync(from, to, { recursive: true });
    copies.push(to);
    return to;
  }

  test("asks with both keys, once: the same bytes again, after a restart too", async () => {
    const box = await asking();
    expect(readNextKey(dataDir)).toBeUndefined();
    const payload = present(box.rotation.due(monotonicMillis(0)), "request");
    const message = unwrap(parseRotationMessage(payload));
    const to = await openFileSigner({ path: join(dataDir, "b.key"), create: false });
    const verified = verifyRotation(nodeCrypto, message, {
      address: device.address,
      keyOf: (kid) => (toHex(kid) === kidA ? box.held.publicKey() : undefined),
      to: { key: to.publicKey(), kid: kidOf(to.publicKey()) },
    });
    expect(unwrap(verified).claims.keyKind).toBe("file");
    expect(inUse(box)).toBe(kidA);
    stop(box);
    const again = await start();
    expect(inUse(again)).toBe(kidA);
    expect(again.rotation.due(monotonicMillis(0))).toEqual(payload);
  });

  test("asks ever more rarely, and at once on a new connection", async () => {
    const { rotation } = await asking();
    const dues = Array.from({ length: 3_600 }, (_, second) =>
      rotation.due(monotonicMillis(1_000 * second)) === undefined ? [] : [second],
    ).flat();
    expect(dues.slice(0, 6)).toEqual([0, 15, 45, 105, 225, 465]);
    expect(dues.slice(6).every((second, at) => second - (dues[at + 5] ?? 0) === 300)).toBe(true);
    rotation.connected();
    expect(rotation.due(monotonicMillis(3_600_000))).toBeDefined();
  });

  test("the next statement is by the new key, in the same incarnation and chain", async () => {
    const box = await asking();
    const before = await box.state();
    expect(await answer(box, await certified())).toBe(true);
    const after = await box.state();
    expect([before, after].map(({ bytes }) => kidsOf(bytes))).toEqual([kidA, kidB]);
    expect(after.incarnation).toEqual(before.incarnation);
    expect(after.range.first).toBe(before.range.first + BigInt(before.range.count));
    const { claims, header } = unwrap(parseStatement(after.bytes));
    const { position } = unwrap(parseDeviceClaims("heartbeat", claims));
    expect(position.previous).toEqual(
      identityOf(nodeCrypto.sha256, unwrap(parseStatement(before.bytes)).part),
    );
    expect(header.type).toBe("heartbeat");
    // What the old key signed is sent as it was signed.
    expect(box.outbox.find(before.incarnation, before.range.first)?.bytes).toEqual(before.bytes);
  });

  test("an answer that was left as a file is taken, by a stopped agent at its start", async () => {
    const box = await asking();
    const payload = present(box.rotation.due(monotonicMillis(0)), "request");
    const request = present(
      rotationIdentity(nodeCrypto, unwrap(parseRotationMessage(payload))),
      "identity",
    );
    stop(box);
    const message = encodeRenewedMessage({ request, outcome: await certified() });
    const { device: name } = device.address;
    leaveAnswer(dataDir, encodeRotationFile("answer", { device: name, message }));
    const again = await start();
    await again.look();
    expect(again.rotation.status()).toMatchObject({ phase: "proving" });
    expect(inUse(again)).toBe(kidB);
    expect(existsSync(join(dataDir, "next-answer.json"))).toBe(false);
  });

  test("the old key may go only once a statement by the new one is final", async () => {
    const box = await asking();
    const old = await box.state();
    await answer(box, await certified());
    await box.outbox.markFinal([old.id], checkpoint);
    await box.look();
    expect(box.rotation.status()).toMatchObject({ phase: "proving" });
    const young = await box.state();
    await box.outbox.markProvisional([young.id]);
    await box.look();
    expect(box.rotation.status()).toMatchObject({ phase: "proving" });
    const next = await box.state();
    await box.outbox.markRejected([{ id: next.id, rejection: new Uint8Array(3) }]);
    await box.look();
    expect(box.rotation.status()).toMatchObject({ phase: "proving" });
    stop(box);
    const again = await start();
    await again.outbox.markFinal([young.id], checkpoint);
    await again.look();
    expect(again.rotation.status()).toMatchObject({
      phase: "done",
      from: `file:${join(dataDir, "signing.key")}`,
      to: uriB,
    });
    expect(existsSync(join(dataDir, "signing.key"))).toBe(true);
  });

  test("a receipt that came while nobody looked is found after a restart", async () => {
    const box = await proving();
    const young = await box.state();
    await box.outbox.markFinal([young.id], checkpoint);
    stop(box);
    const again = await start();
    await again.look();
    expect(again.rotation.status()).toMatchObject({ phase: "done" });
  });

  test("a disk that takes nothing ends nothing, and the step comes once it does", async () => {
    const asks = await asking();
    const blocked = join(dataDir, "rotation.json");
    const text = readFileSync(blocked);
    rmSync(blocked);
    mkdirSync(blocked);
    await expect(answer(asks, await certified())).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
    expect(inUse(asks)).toBe(kidA);
    rmSync(blocked, { recursive: true });
    writeFileSync(blocked, text);
    asks.rotation.connected();
    expect(await answer(asks, await certified())).toBe(true);
    const young = await asks.state();
    await asks.outbox.markFinal([young.id], checkpoint);
    rmSync(blocked);
    mkdirSync(blocked);
    await asks.look();
    expect(asks.rotation.status()).toMatchObject({ phase: "proving", trouble: "FILE_UNWRITABLE" });
    rmSync(blocked, { recursive: true });
    await asks.look();
    expect(asks.rotation.status()).toMatchObject({ phase: "done" });
  });

  test("a new outbox counts anew", async () => {
    const box = await proving();
    stop(box);
    for (const name of ["outbox.db", "outbox.db-wal", "outbox.db-shm"])
      rmSync(join(dataDir, name), { force: true });
    const again = await start();
    const young = await again.state();
    await again.outbox.markFinal([young.id], checkpoint);
    await again.look();
    expect(again.rotation.status()).toMatchObject({ phase: "done" });
  });

  test("a power cut between any two files leaves one key in use, with its certificate", async () => {
    const box = await asking();
    const before = copy();
    await answer(box, await certified());
    stop(box);
    const order = ["rotation.json", "tls.crt", "device.json", "signing.crt"];
    for (let written = 0; written <= order.length; written++) {
      const cut = copy(before);
      for (const name of order.slice(0, written)) cpSync(join(dataDir, name), join(cut, name));
      const started = await start(cut);
      expect(inUse(started)).toBe(written === 0 ? kidA : kidB);
      expect(started.rotation.status()?.phase).toBe(written === 0 ? "asking" : "proving");
      if (written > 0)
        for (const name of order)
          expect(readFileSync(join(cut, name))).toEqual(readFileSync(join(dataDir, name)));
      stop(started);
    }
    expect(readDeviceRecord(dataDir).key).toBe(uriB);
  });

  test("a power cut before the wish is forgotten does not ask twice", async () => {
    const box = await asking();
    const payload = box.rotation.due(monotonicMillis(0));
    stop(box);
    writeNextKey(dataDir, { to: uriB });
    const again = await start();
    await again.look();
    expect(again.rotation.due(monotonicMillis(0))).toEqual(payload);
    expect(readNextKey(dataDir)).toBeUndefined();
  });

  test("a certificate that was renewed since is left alone at a start", async () => {
    const box = await proving();
    const renewed = await certified();
    if (renewed.type !== "certified") throw new Error(renewed.type);
    unwrap(box.identity.renew(renewed.certificates));
    const text = readFileSync(join(dataDir, "signing.crt"), "utf8");
    stop(box);
    await start();
    expect(readFileSync(join(dataDir, "signing.crt"), "utf8")).toBe(text);
  });

  describe("goes no further", () => {
    test.each([
      [{ type: "waiting" } as const, "WAITING"],
      [{ type: "refused", code: "ROTATION_REPLAYED" } as const, "ROTATION_REPLAYED"],
    ])("with the answer %o", async (outcome, trouble) => {
      const box = await asking();
      expect(await answer(box, outcome)).toBe(false);
      expect(box.rotation.status()).toMatchObject({ phase: "asking", trouble });
      expect(kidsOf((await box.state()).bytes)).toBe(kidA);
    });

    test("with certificates for another key, or with an answer to another request", async () => {
      const box = await asking();
      const { signing, tls } = device.certificates();
      const other = { type: "certified", certificates: { signing, tls } } as const;
      expect(await answer(box, other)).toBe(false);
      expect(box.rotation.status()).toMatchObject({ trouble: "CERTIFICATE_OTHER_KEY" });
      const request = nodeCrypto.sha256(new Uint8Array(1));
      expect(await box.rotation.take({ request, outcome: await certified() })).toBe(false);
      expect(inUse(box)).toBe(kidA);
    });

    test("while the new key cannot be opened, and does once it can", async () => {
      const box = await asking();
      const key = readFileSync(join(dataDir, "b.key"));
      const outcome = await certified();
      rmSync(join(dataDir, "b.key"));
      expect(await answer(box, outcome)).toBe(false);
      expect(box.rotation.status()).toMatchObject({ trouble: "KEY_FILE_MISSING" });
      writeFileSync(join(dataDir, "b.key"), key, { mode: 0o600 });
      box.rotation.connected();
      expect(await answer(box, outcome)).toBe(true);
    });

    test("to the key that is in use", async () => {
      const box = await start();
      writeNextKey(dataDir, { to: `file://localhost${join(dataDir, "signing.key")}` });
      await box.look();
      expect(box.rotation.status()).toMatchObject({
        phase: "wanted",
        trouble: "ROTATION_SAME_KEY",
      });
      expect(box.rotation.due(monotonicMillis(0))).toBeUndefined();
    });

    test("until it is asked for again: what was refused is another request then", async () => {
      const box = await asking();
      const first = box.rotation.due(monotonicMillis(0));
      box.rotation.connected();
      await answer(box, { type: "refused", code: "ROTATION_DROPPED" });
      writeNextKey(dataDir, { to: uriB });
      await box.look();
      const second = present(box.rotation.due(monotonicMillis(0)), "request");
      expect(second).not.toEqual(first);
      box.rotation.connected();
      expect(await answer(box, await certified())).toBe(true);
    });

    test("by a file that answers something else, or is none", async () => {
      const box = await asking();
      const { device: name } = device.address;
      const request = nodeCrypto.sha256(new Uint8Array(1));
      const other = encodeRenewedMessage({ request, outcome: await certified() });
      for (const [text, trouble] of [
        [encodeRotationFile("answer", { device: name, message: other }), undefined],
        [encodeRotationFile("request", { device: name, message: other }), "ROTATION_ANSWER_BAD"],
        ["{", "ROTATION_ANSWER_BAD"],
      ] as const) {
        leaveAnswer(dataDir, text);
        await box.look();
        expect(box.rotation.status()).toMatchObject({ phase: "asking", trouble });
        expect(existsSync(join(dataDir, "next-answer.json"))).toBe(false);
      }
    });

    test("once it is cancelled", async () => {
      const box = await asking();
      writeNextKey(dataDir, { cancel: true });
      await box.look();
      expect(box.rotation.status()).toBeNull();
      expect(box.rotation.due(monotonicMillis(0))).toBeUndefined();
      stop(box);
      expect(inUse(await start())).toBe(kidA);
    });

    test("to a third key before the second one is proved", async () => {
      const box = await proving();
      await openFileSigner({ path: join(dataDir, "c.key"), create: true });
      writeNextKey(dataDir, { to: `file:${join(dataDir, "c.key")}` });
      await box.look();
      expect(box.rotation.status()).toMatchObject({ phase: "proving", to: uriB });
      const young = await box.state();
      await box.outbox.markFinal([young.id], checkpoint);
      await box.look();
      expect(box.rotation.status()).toMatchObject({ phase: "asking", from: uriB });
    });
  });

  describe("the way back", () => {
    test("has the old key sign again, in the same chain", async () => {
      const box = await proving();
      const young = await box.state();
      writeNextKey(dataDir, { back: true });
      await box.look();
      expect(box.rotation.status()).toMatchObject({ phase: "back", from: uriB });
      const old = await box.state();
      expect([young, old].map(({ bytes }) => kidsOf(bytes))).toEqual([kidB, kidA]);
      expect(old.incarnation).toEqual(young.incarnation);
      stop(box);
      expect(inUse(await start())).toBe(kidA);
    });

    test("is taken before the new key is opened, which may be gone", async () => {
      const box = await proving();
      stop(box);
      rmSync(join(dataDir, "b.key"));
      await expect(start()).rejects.toMatchObject({ code: "KEY_FILE_MISSING" });
      writeNextKey(dataDir, { back: true });
      const again = await start();
      expect(inUse(again)).toBe(kidA);
      expect(readNextKey(dataDir)).toBeUndefined();
      expect(readDeviceRecord(dataDir).key).toBe(`file:${join(dataDir, "signing.key")}`);
    });

    test("survives a power cut between any two files", async () => {
      const box = await proving();
      stop(box);
      writeNextKey(dataDir, { back: true });
      const before = copy();
      await start().then(stop);
      const order = ["rotation.json", "device.json", "signing.crt"];
      for (let written = 0; written <= order.length; written++) {
        const cut = copy(before);
        for (const name of order.slice(0, written)) cpSync(join(dataDir, name), join(cut, name));
        const started = await start(cut);
        expect(inUse(started)).toBe(kidA);
        expect(readNextKey(cut)).toBeUndefined();
        stop(started);
      }
    });

    test("is closed once the new key has its receipt", async () => {
      const box = await proving();
      const young = await box.state();
      await box.outbox.markFinal([young.id], checkpoint);
      writeNextKey(dataDir, { back: true });
      await box.look();
      expect(box.rotation.status()).toMatchObject({ phase: "done" });
      expect(inUse(box)).toBe(kidB);
      expect(readNextKey(dataDir)).toBeUndefined();
    });
  });

  test("a configuration that names a key which no rotation knows is obeyed", async () => {
    const box = await proving();
    stop(box);
    const first = `file:${join(dataDir, "signing.key")}`;
    const at = (key: string) => keyInUse({ data_dir: dataDir, key });
    expect([at(first), at(uriB), at("file:/c.key")]).toEqual([uriB, uriB, "file:/c.key"]);
  });

  test("as many replaced keys are remembered as there may be, the first one always", () => {
    let earlier: readonly string[] = [];
    for (let at = 0; at < earlierKeysMax + 2; at++)
      earlier = earlierWith(earlier, { from: `file:/${at}`, to: `file:/${at + 1}` });
    expect(earlier).toHaveLength(earlierKeysMax);
    expect([earlier[0], earlier[1], earlier.at(-1)]).toEqual([
      "file:/0",
      "file:/3",
      `file:/${earlierKeysMax + 1}`,
    ]);
    expect(earlierWith(["file:/0", "file:/1"], { from: "file:/2", to: "file:/1" })).toEqual([
      "file:/0",
      "file:/2",
    ]);
  });

  test.each([
    ["no JSON", "{"],
    ["a newer version", '{"tamga":"key-rotation/2"}'],
    ["what is too long", " ".repeat(262_145)],
  ])("a file with %s is not guessed at", (_, text) => {
    writeFileSync(join(dataDir, "rotation.json"), text);
    expect(() => readRotation(dataDir)).toThrow("rotation.json");
  });
});
