import { spawnSync } from "node:child_process";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { Pkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import { createPkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { ck } from "./cryptoki.ts";
import { buildCsr } from "./csr.ts";
import { parseEcPoint } from "./ec-point.ts";
import { signMsMax, signQueueMax } from "./limits.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");

describe.skipIf(!requirePart("softhsm2"))("Pkcs11Signer on SoftHSM2", () => {
  let hsm: SoftHsm;
  let tap: Pkcs11Tap;
  let modules: Pkcs11Modules;
  let signers: Signer[];

  beforeAll(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
  });
  afterAll(() => hsm.remove());
  beforeEach(() => {
    tap = createPkcs11Tap();
    modules = new Pkcs11Modules(tap.load);
    signers = [];
  });
  afterEach(async () => {
    for (const signer of signers) await signer.close();
  });

  async function open(
    object: string,
    { create = false, clock = new SystemClock() }: { create?: boolean; clock?: Clock } = {},
  ) {
    const uri = hsm.keyUri("site", object);
    const options = { profile: "production", create, modules, clock, logger: silentLogger };
    const signer = await openSigner({ uri, ...options });
    signers.push(signer);
    return signer;
  }

  /** A session beside the signer's; it shares the login, as all sessions of a process do. */
  function beside() {
    const library = tap.library();
    const slot = library
      .C_GetSlotList(true)
      .find((each) => library.C_GetTokenInfo(each).label.trim() === "site");
    if (slot === undefined) throw new Error("no token");
    const session = library.C_OpenSession(slot, ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION);
    return { library, session };
  }

  function generate(label: string, { curve = "06082a8648ce3d030107", extractable = false } = {}) {
    const { library, session } = beside();
    const names = [
      { type: ck.CKA_TOKEN, value: true },
      { type: ck.CKA_LABEL, value: label },
      { type: ck.CKA_ID, value: Buffer.from(label) },
    ];
    const parameters = { type: ck.CKA_EC_PARAMS, value: Buffer.from(curve, "hex") };
    library.C_GenerateKeyPair(
      session,
      { mechanism: ck.CKM_EC_KEY_PAIR_GEN },
      [...names, parameters],
      [
        ...names,
        { type: ck.CKA_PRIVATE, value: true },
        { type: ck.CKA_SENSITIVE, value: !extractable },
        { type: ck.CKA_EXTRACTABLE, value: extractable },
        { type: ck.CKA_SIGN, value: true },
      ],
    );
  }

  it("makes a key once, signs with it, and finds the same key again", async () => {
    await expect(open("device")).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    const signer = await open("device", { create: true });
    expect(signer).toMatchObject({ algorithm: "ES256", keyKind: "pkcs11" });
    expect(signer.state()).toBe("ready");
    const signature = await signer.sign(message, { signal });
    expect(signature).toHaveLength(64);
    expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
    await signer.close();

    const again = await open("device", { create: true });
    expect(again.publicKey()).toEqual(signer.publicKey());
    expect(tap.counts.get("C_GenerateKeyPair")).toBe(1);
  });

  it("makes a key that cannot leave its token and does nothing but sign", async () => {
    await open("kept", { create: true });
    const { library, session } = beside();
    const template = [
      { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
      { type: ck.CKA_LABEL, value: "kept" },
    ];
    library.C_FindObjectsInit(session, template);
    const [key, other] = library.C_FindObjects(session, 2);
    library.C_FindObjectsFinal(session);
    if (key === undefined) throw new Error("no key");
    expect(other).toBeUndefined();
    const is = (type: number) =>
      library.C_GetAttributeValue(session, key, [{ type }])[0]?.value[0] === 1;
    const alwaysSensitive = 0x165;
    const neverExtractable = 0x164;
    const yes = [ck.CKA_TOKEN, ck.CKA_PRIVATE, ck.CKA_SENSITIVE, ck.CKA_SIGN];
    for (const type of [...yes, alwaysSensitive, neverExtractable]) expect(is(type)).toBe(true);
    const no = [
      ck.CKA_EXTRACTABLE,
      ck.CKA_DECRYPT,
      ck.CKA_UNWRAP,
      ck.CKA_DERIVE,
      ck.CKA_SIGN_RECOVER,
    ];
    for (const type of no) expect(is(type)).toBe(false);
    const value = 0x11;
    expect(() => library.C_GetAttributeValue(session, key, [{ type: value }])).toThrow(
      "CKR_ATTRIBUTE_SENSITIVE",
    );
  });

  it("refuses a key that can be read out, one on another curve, and two of one name", async () => {
    await open("device", { create: true });
    generate("readable", { extractable: true });
    await expect(open("readable")).rejects.toMatchObject({ code: "KEY_EXTRACTABLE" });
    generate("p384", { curve: "06052b81040022" });
    await expect(open("p384")).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
    generate("twice");
    generate("twice");
    await expect(open("twice")).rejects.toMatchObject({ code: "KEY_AMBIGUOUS" });
  });

  it("refuses a key whose public half is missing or is another's", async () => {
    await open("device", { create: true });
    generate("halves");
    const { library, session } = beside();
    const publicKeys = (label: string) => {
      library.C_FindObjectsInit(session, [
        { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
        { type: ck.CKA_LABEL, value: label },
      ]);
      const found = library.C_FindObjects(session, 1);
      library.C_FindObjectsFinal(session);
      return found;
    };
    const [own] = publicKeys("halves");
    const [foreign] = publicKeys("device");
    if (own === undefined || foreign === undefined) throw new Error("no key");
    library.C_DestroyObject(session, own);
    await expect(open("halves")).rejects.toMatchObject({ code: "KEY_PUBLIC_MISSING" });
    library.C_CopyObject(session, foreign, [{ type: ck.CKA_ID, value: Buffer.from("halves") }]);
    await expect(open("halves")).rejects.toMatchObject({ code: "KEY_SELF_TEST_FAILED" });
  });

  it("signs requests that come together one after the other", async () => {
    const signer = await open("device", { create: true });
    let under = 0;
    let most = 0;
    tap.before = (call) => {
      if (call === "C_SignInit") most = Math.max(most, ++under);
    };
    tap.after = (call, result) => {
      if (call === "C_SignAsync" && result instanceof Promise) result.then(() => under--);
    };
    const messages = Array.from({ length: 20 }, (_, index) => utf8(`reading ${index}`));
    const signatures = await Promise.all(messages.map((each) => signer.sign(each, { signal })));
    for (const [index, each] of messages.entries()) {
      const signature = signatures[index] ?? new Uint8Array(0);
      expect(nodeCrypto.verify(signer.publicKey(), each, signature)).toBe(true);
    }
    expect(most).toBe(1);
    expect(signer.state()).toBe("ready");
  });

  it("holds the bound of its queue, and takes requests again after it", async () => {
    const signer = await open("device", { create: true });
    const all = Array.from({ length: signQueueMax }, () => signer.sign(message, { signal }));
    await expect(signer.sign(message, { signal })).rejects.toMatchObject({
      code: "SIGN_QUEUE_FULL",
    });
    expect(await Promise.all(all)).toHaveLength(signQueueMax);
    await expect(signer.sign(message, { signal })).resolves.toHaveLength(64);
  });

  it("drops a request whose caller has given up, with the caller's own reason", async () => {
    const signer = await open("device", { create: true });
    const before = tap.counts.get("C_SignAsync") ?? 0;
    const reason = new Error("enough");
    const controller = new AbortController();
    const first = signer.sign(message, { signal });
    const second = signer.sign(message, { signal: controller.signal });
    const third = signer.sign(message, { signal });
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    expect(await Promise.all([first, third])).toHaveLength(2);
    expect((tap.counts.get("C_SignAsync") ?? 0) - before).toBe(2);
    await expect(signer.sign(message, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("gives up on a token that does not answer, and says so until it does", async () => {
    const clock = new ManualClock();
    const signer = await open("device", { create: true, clock });
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    tap.before = (call) => {
      if (call !== "C_SignAsync") return undefined;
      asked.resolve();
      return gate.promise;
    };
    const stuck = signer.sign(message, { signal });
    stuck.catch(() => undefined);
    await asked.promise;
    await clock.advance(signMsMax);
    await expect(stuck).rejects.toMatchObject({ code: "SIGN_TIMEOUT" });
    expect(signer.state()).toBe("recovering");
    const next = signer.sign(message, { signal });
    gate.resolve();
    await expect(next).resolves.toHaveLength(64);
    expect(signer.state()).toBe("ready");
    expect(clock.sleeperCount).toBe(0);
  });

  it("refuses what waits when it is closed, and what comes later", async () => {
    const signer = await open("device", { create: true });
    const all = [1, 2, 3].map(() => signer.sign(message, { signal }));
    const settled = Promise.allSettled(all);
    await Promise.all([signer.close(), signer.close()]);
    for (const result of await settled) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "SIGNER_CLOSED" } });
    }
    await expect(signer.sign(message, { signal })).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
  });

  it("shares the library with other signers and finalises it with the last", async () => {
    const first = await open("device", { create: true });
    const second = await open("other", { create: true });
    expect(second.publicKey()).not.toEqual(first.publicKey());
    expect(tap.counts.get("C_Initialize")).toBe(1);
    await first.close();
    await expect(second.sign(message, { signal })).resolves.toHaveLength(64);
    expect(tap.counts.get("C_Finalize")).toBeUndefined();
    await second.close();
    expect(tap.counts.get("C_Finalize")).toBe(1);
    await expect(open("device")).resolves.toMatchObject({ keyKind: "pkcs11" });
    expect(tap.counts.get("C_Initialize")).toBe(2);
  });

  it("signs a certification request that openssl verifies", async () => {
    const signer = await open("device", { create: true });
    const csr = await buildCsr(signer, "device-1", { signal });
    const options = ["req", "-inform", "DER", "-verify", "-noout", "-subject"];
    const { stdout, stderr, status } = spawnSync("openssl", options, { input: csr });
    expect(status).toBe(0);
    expect(stderr.toString()).toContain("verify OK");
    expect(stdout.toString()).toMatch(/CN ?= ?device-1/);
  });

  it("asks for one token, and finds exactly one", async () => {
    const missing = openSigner({
      uri: hsm.keyUri("elsewhere", "device"),
      profile: "production",
      create: true,
      modules,
    });
    await expect(missing).rejects.toMatchObject({ code: "TOKEN_NOT_FOUND" });
    hsm.addToken("double");
    hsm.addToken("double");
    const ambiguous = openSigner({
      uri: hsm.keyUri("double", "device"),
      profile: "production",
      create: true,
      modules,
    });
    await expect(ambiguous).rejects.toMatchObject({ code: "TOKEN_AMBIGUOUS" });
    expect(tap.counts.get("C_Login")).toBeUndefined();
  });

  it("matches serial, model, maker and slot as well as the label", async () => {
    await open("device", { create: true });
    const { library } = beside();
    const slot = library
      .C_GetSlotList(true)
      .find((each) => library.C_GetTokenInfo(each).label.trim() === "site");
    if (slot === undefined) throw new Error("no token");
    const serial = library.C_GetTokenInfo(slot).serialNumber.trim();
    const query = `module-path=${hsm.modulePath}&pin-source=${hsm.pinFile}`;
    const attempt = async (path: string) => {
      const uri = `pkcs11:${path};object=device?${query}`;
      const signer = await openSigner({ uri, profile: "production", create: false, modules });
      signers.push(signer);
      return signer.keyKind;
    };
    const all = `manufacturer=SoftHSM%20project;model=SoftHSM%20v2;slot-id=${slot.readUInt32LE()}`;
    expect(await attempt(`serial=${serial};${all}`)).toBe("pkcs11");
    const notFound = { code: "TOKEN_NOT_FOUND" };
    await expect(attempt("serial=0")).rejects.toMatchObject(notFound);
    await expect(attempt(`serial=${serial};slot-id=4000000001`)).rejects.toMatchObject(notFound);
    await expect(attempt(`serial=${serial};model=other`)).rejects.toMatchObject(notFound);
  });
});

describe("parseEcPoint", () => {
  const point = Uint8Array.of(4, ...new Uint8Array(64).fill(7));

  it("takes the point with and without its octet string", () => {
    expect(parseEcPoint(Uint8Array.of(4, 65, ...point))).toEqual(point);
    expect(parseEcPoint(point)).toEqual(point);
  });

  it.each([
    [[]],
    [[...point, 0]],
    [[4, 64, ...point]],
    [[3, 65, ...point]],
    [[2, ...point.subarray(1)]],
  ])("refuses another shape: %j", (bytes) => {
    expect(parseEcPoint(Uint8Array.from(bytes))).toBeUndefined();
  });
});
