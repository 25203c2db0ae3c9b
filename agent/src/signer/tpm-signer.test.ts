/** A signer on a key in an emulated TPM that is taken away, reset and shared. */

import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { createEventLog } from "../../../test/support/event-log.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { signQueueMax } from "./limits.ts";
import { openSigner } from "./open-signer.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools"))("a signer on a TPM", () => {
  let swtpm: Swtpm;
  let signers: Signer[] = [];

  beforeAll(async () => {
    swtpm = await Swtpm.make();
  });
  afterEach(async () => {
    for (const signer of signers) await signer.close();
    signers = [];
  });
  afterAll(() => swtpm.remove());

  const uriOf = (handle: string) => `tpm:${handle}${swtpm.keyUriQuery}`;
  async function open(handle: string, create = true, logger = createEventLog()): Promise<Signer> {
    const uri = uriOf(handle);
    const signer = await openSigner({ uri, profile: "embedded", create, logger });
    signers.push(signer);
    return signer;
  }
  async function expectSigns(signer: Signer): Promise<void> {
    const signature = await signer.sign(message, { signal });
    expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
  }

  test("makes a key once, finds it again, and says that an emulator's is a file", async () => {
    const missing = open("0x81020010", false);
    await expect(missing).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    const first = await open("0x81020010");
    const again = await open("0x81020010");
    expect(again.publicKey()).toEqual(first.publicKey());
    expect(again).toMatchObject({ keyKind: "file", algorithm: "ES256" });
    await expectSigns(again);
    const uri = uriOf("0x81020010");
    const production = openSigner({ uri, profile: "production", create: true });
    await expect(production).rejects.toMatchObject({ code: "KEY_EMULATED_IN_PRODUCTION" });
  });

  test("refuses a key that was made outside, and one that only attests", async () => {
    await swtpm.tool("tpm2_createprimary", "-C", "o", "-c", "outside.primary");
    await swtpm.tool("openssl", ...["ecparam", "-name", "prime256v1", "-genkey", "-out", "o.pem"]);
    const names = ["-u", "o.pub", "-r", "o.priv"];
    await swtpm.tool("tpm2_import", "-C", "outside.primary", "-G", "ecc", "-i", "o.pem", ...names);
    await swtpm.tool("tpm2_load", "-C", "outside.primary", ...names, "-c", "o.key");
    await swtpm.tool("tpm2_evictcontrol", "-c", "o.key", "0x81020020");
    const opened = open("0x81020020");
    await expect(opened).rejects.toMatchObject({ code: "KEY_EXTRACTABLE" });
    // The maker's tool keeps its own key here, which decrypts.
    await expect(open("0x81010001")).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });

  test("signs again after the TPM was away and reset, what waited meanwhile", async () => {
    const logger = createEventLog();
    const signer = await open("0x81020010", true, logger);
    await swtpm.stop();
    const waiting = signer.sign(message, { signal });
    await expect.poll(() => signer.state()).toBe("recovering");
    await swtpm.start();
    expect(nodeCrypto.verify(signer.publicKey(), message, await waiting)).toBe(true);
    await expectSigns(signer);
    expect(signer.state()).toBe("ready");
  });

  test("does not sign with another key that took its place", async () => {
    const signer = await open("0x81020011");
    await swtpm.tool("tpm2_evictcontrol", "-c", "0x81020011");
    await swtpm.stop();
    await swtpm.start();
    const aborting = new AbortController();
    const waiting = signer.sign(message, { signal: aborting.signal });
    await expect.poll(() => signer.state()).toBe("recovering");
    const other = await open("0x81020011");
    expect(other.publicKey()).not.toEqual(signer.publicKey());
    aborting.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(signer.state()).toBe("recovering");
  });

  test("shares the TPM with another process's commands, and signs all that was asked of it", async () => {
    const [one, two] = [await open("0x81020010"), await open("0x81020012")];
    const many = Array.from({ length: signQueueMax }, (_, at) => utf8(`reading ${at}`));
    const signAll = (signer: Signer) =>
      Promise.all(many.map((each) => signer.sign(each, { signal })));
    const random = swtpm.tool("tpm2_getrandom", "8", "--hex");
    const signed = await Promise.all([signAll(one), signAll(two), random]);
    for (const [at, each] of many.entries())
      for (const [index, signer] of [one, two].entries()) {
        const signature = signed[index]?.[at];
        const isOne = signature instanceof Uint8Array;
        expect(isOne && nodeCrypto.verify(signer.publicKey(), each, signature)).toBe(true);
      }
    expect(toHex(Buffer.from(signed[2], "hex"))).toHaveLength(16);
  });
});
