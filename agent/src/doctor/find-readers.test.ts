/** The doctor's look at smart card readers: a real pcscd with a virtual reader, and services that go wrong. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { soon } from "../../../test/support/soon.ts";
import { requireVirtualReader, VirtualReader } from "../../../test/support/virtual-reader.ts";
import { findReaders } from "./find-readers.ts";
import { askPcscd } from "./pcscd-readers.ts";

const { signal } = new AbortController();
let directory: string;
let socket: string;
let usb: string;
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-readers-"));
  socket = join(directory, "pcscd.comm");
  usb = join(directory, "usb");
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(directory, { recursive: true });
});

/** USB interfaces of these classes, as the kernel shows them. */
function plug(...classes: readonly string[]): void {
  for (const [i, name] of classes.entries()) {
    const device = join(usb, `1-${i + 1}:1.0`);
    mkdirSync(device, { recursive: true });
    writeFileSync(join(device, "bInterfaceClass"), `${name}\n`);
  }
  mkdirSync(join(usb, "usb1"), { recursive: true });
}

const look = async (at = socket) => {
  const findings = await findReaders({ signal }, { socket: at, usb });
  return findings.map(({ verdict, sentence }) => `${verdict} ${sentence}`);
};

/** A fake service: it answers each message that comes with the next of these, and then hangs up. */
async function serve(...answers: readonly Uint8Array[]): Promise<void> {
  const server = createServer((connection) => {
    const left = [...answers];
    connection.on("error", () => undefined);
    connection.on("data", () => {
      const answer = left.shift();
      if (answer === undefined) connection.destroy();
      else connection.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  cleanups.push(() => server.close());
}

function version(major: number, minor: number, verdict: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(major, minor, verdict).buffer);
}

function states(...readers: readonly (readonly [name: string, state: number])[]): Uint8Array {
  const bytes = new Uint8Array(16 * 180);
  const view = new DataView(bytes.buffer);
  for (const [i, [name, state]] of readers.entries()) {
    bytes.set(new TextEncoder().encode(name), 180 * i);
    view.setUint32(180 * i + 132, state, true);
  }
  return bytes;
}

describe.runIf(requireVirtualReader())("a real pcscd", () => {
  let reader: VirtualReader;
  beforeAll(async () => {
    reader = await VirtualReader.start();
  });
  afterAll(() => reader.remove());

  test("has its readers named, with and without a card", async () => {
    await vi.waitFor(async () => {
      expect(await askPcscd(reader.socket, { signal })).toContainEqual({
        name: "Virtual PCD 00 00",
        hasCard: false,
      });
    }, soon);
    expect((await look(reader.socket))[0]).toMatch(/^ok Virtual PCD 00 00: no card is in it\. /);
    const insert = async () => {
      reader.insertCard();
      await vi.waitFor(async () => {
        expect((await look(reader.socket))[0]).toMatch(/^ok Virtual PCD 00 00: a card is in it\. /);
      }, soon);
    };
    await insert();
    await reader.removeCard();
    await vi.waitFor(async () => {
      expect((await look(reader.socket))[0]).toContain("no card is in it");
    }, soon);
    await insert();
  });
});

test("a machine without readers is a good one", async () => {
  expect(await look()).toEqual(["ok No smart card or NFC reader is plugged in."]);
  plug("09", "03", "ff");
  expect(await look()).toEqual(["ok No smart card or NFC reader is plugged in."]);
  await serve(version(4, 4, 0), states());
  expect(await look()).toEqual(["ok pcscd runs, and no smart card or NFC reader is plugged in."]);
});

test("a reader that nothing sees is found on the USB, with the command that mends it", async () => {
  plug("09", "0b");
  const [alone = ""] = await look();
  expect(alone).toMatch(/^warn One reader is plugged in, and no PC\/SC service runs/);
  expect(alone).toContain("apt install pcscd libccid");
  plug("0b", "03", "0b");
  await serve(version(4, 4, 0), states());
  const [unseen = ""] = await look();
  expect(unseen).toMatch(/^warn 2 readers are plugged in, and pcscd sees none: /);
  expect(unseen).toContain("systemctl restart pcscd");
});

test("all readers are listed, whatever states they have", async () => {
  const names = Array.from({ length: 16 }, (_, i) => `Reader ${i}`);
  await serve(
    version(4, 4, 0),
    states(...names.map((name, i) => [name, i % 2 ? 0x34 : 2] as const)),
  );
  const found = await askPcscd(socket, { signal });
  expect(found).toEqual(names.map((name, i) => ({ name, hasCard: i % 2 === 1 })));
});

test("a service of another protocol, or one that hangs up, is named", async () => {
  await serve(version(5, 0, 0x8010001d));
  expect((await look())[0]).toMatch(
    /^warn .*speaks protocol 5\.0, and this agent 4\.4 \[PCSCD_PROTOCOL_OTHER\]/,
  );
  cleanups.splice(0).forEach((cleanup) => {
    cleanup();
  });
  rmSync(socket, { force: true });
  await serve(version(4, 4, 0), states(["Reader", 2]).subarray(0, 100));
  const given = AbortSignal.timeout(200);
  await expect(findReaders({ signal: given }, { socket, usb })).rejects.toThrow();
  cleanups.splice(0).forEach((cleanup) => {
    cleanup();
  });
  rmSync(socket, { force: true });
  await serve();
  expect((await look())[0]).toMatch(
    /^warn .*does not answer: systemctl restart pcscd \[PCSCD_SILENT\]/,
  );
});
