import { utf8 } from "@tamga/ledger-core/base/bytes";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { EventLog } from "../../../test/support/event-log.ts";
import { createEventLog } from "../../../test/support/event-log.ts";
import type { Pkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import { createPkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { recoveryDelay, signAttemptsMax, signMsMax } from "./limits.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");

/** Stands still, until it is let go: then nobody waits. */
class HeldClock extends ManualClock {
  held = true;

  override sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void> {
    return this.held ? super.sleep(ms, options) : Promise.resolve();
  }
}

describe.skipIf(!requirePart("softhsm2"))("Pkcs11Signer that loses its token", () => {
  let hsm: SoftHsm;
  let folder: string;
  let tap: Pkcs11Tap;
  let modules: Pkcs11Modules;
  let log: EventLog;
  let signers: Signer[];

  beforeEach(() => {
    hsm = createSoftHsm();
    folder = hsm.addToken("site");
    tap = createPkcs11Tap();
    modules = new Pkcs11Modules(tap.load);
    log = createEventLog();
    signers = [];
  });
  afterEach(async () => {
    for (const signer of signers) await signer.close();
    hsm.remove();
  });

  async function open(object: string, clock: Clock = new SystemClock()) {
    const uri = hsm.keyUri("site", object);
    const options = { profile: "production", create: true, modules, clock, logger: log };
    const signer = await openSigner({ uri, ...options });
    signers.push(signer);
    return signer;
  }

  async function expectSigns(signer: Signer) {
    const signature = await signer.sign(message, { signal });
    expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
    expect(signer.state()).toBe("ready");
  }

  /** Ends every session of the process under its signers, as a driver does that was reset. */
  function closeAllSessions() {
    const library = tap.library();
    for (const slot of library.C_GetSlotList(true)) library.C_CloseAllSessions(slot);
  }

  const losses: readonly [string, () => void][] = [
    ["its sessions are closed", () => closeAllSessions()],
    ["the user is logged out", () => logOut()],
    ["the library is finalised", () => tap.library().C_Finalize()],
    ["the library is finalised and initialised by another", () => restart()],
  ];
  function restart() {
    tap.library().C_Finalize();
    tap.library().C_Initialize();
  }
  function logOut() {
    const library = tap.library();
    const slot = library.C_GetSlotList(true)[0] ?? Buffer.alloc(8);
    library.C_Logout(library.C_OpenSession(slot, 4));
  }

  it.each(losses)("signs the same request once %s", async (_, lose) => {
    const signer = await open("device");
    lose();
    await expectSigns(signer);
    expect(log.lines.map((line) => line.event)).toContain("signer.token-lost");
    expect(log.lines.at(-1)).toMatchObject({ event: "signer.ready", level: "info" });
    await expectSigns(signer);
  });

  it("loses no request of many when its sessions are closed in the middle, again and again", async () => {
    const signer = await open("device");
    let calls = 0;
    tap.before = (call) => {
      if (call === "C_SignInit" && ++calls % 7 === 0) closeAllSessions();
    };
    const messages = Array.from({ length: 40 }, (_, index) => utf8(`reading ${index}`));
    const signatures = await Promise.all(messages.map((each) => signer.sign(each, { signal })));
    for (const [index, each] of messages.entries()) {
      const signature = signatures[index] ?? new Uint8Array(0);
      expect(nodeCrypto.verify(signer.publicKey(), each, signature)).toBe(true);
    }
    const lost = log.lines.filter((line) => line.event === "signer.token-lost");
    expect(lost.length).toBeGreaterThan(3);
  });

  it("waits for a token that was pulled out, and signs when it is back", async () => {
    const signer = await open("device");
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering", code: "TOKEN_NOT_FOUND" });
    const signing = signer.sign(message, { signal });
    await noticed;
    expect(signer.state()).toBe("recovering");
    hsm.bringBack(folder);
    expect(nodeCrypto.verify(signer.publicKey(), message, await signing)).toBe(true);
    expect(signer.state()).toBe("ready");
    expect(tap.counts.get("C_GenerateKeyPair")).toBe(1);
  });

  it("refuses a request in time while the token is away, and recovers with nobody waiting", async () => {
    const clock = new HeldClock();
    const signer = await open("device", clock);
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering" });
    const signing = signer.sign(message, { signal });
    signing.catch(() => undefined);
    await noticed;
    await clock.advance(signMsMax);
    await expect(signing).rejects.toMatchObject({ code: "SIGN_TIMEOUT" });
    expect(signer.state()).toBe("recovering");
    hsm.bringBack(folder);
    const ready = log.next({ event: "signer.ready" });
    clock.held = false;
    await clock.advance(recoveryDelay.msMax);
    await ready;
    clock.held = true;
    expect(signer.state()).toBe("ready");
    await expectSigns(signer);
  });

  it("does not sign with another token of the same name", async () => {
    const signer = await open("device");
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering", code: "TOKEN_NOT_FOUND" });
    const signing = signer.sign(message, { signal });
    await noticed;
    const other = hsm.addToken("site");
    await log.next({ event: "signer.recovering", code: "KEY_NOT_FOUND" });
    const changed = log.next({ event: "signer.recovering", code: "KEY_CHANGED" });
    const uri = hsm.keyUri("site", "device");
    const imposter = await openSigner({ uri, profile: "production", create: true, modules });
    signers.push(imposter);
    await changed;
    expect(signer.state()).toBe("recovering");
    hsm.takeAway(other);
    hsm.bringBack(folder);
    expect(nodeCrypto.verify(signer.publicKey(), message, await signing)).toBe(true);
    expect(nodeCrypto.verify(imposter.publicKey(), message, await signing)).toBe(false);
  });

  it("keeps two signers of one library apart while one starts it anew", async () => {
    const first = await open("one");
    const second = await open("two");
    tap.library().C_Finalize();
    const [a, b] = await Promise.all([
      first.sign(message, { signal }),
      second.sign(message, { signal }),
    ]);
    expect(nodeCrypto.verify(first.publicKey(), message, a)).toBe(true);
    expect(nodeCrypto.verify(second.publicKey(), message, b)).toBe(true);
    expect(tap.counts.get("C_Initialize")).toBe(2);
  });

  it("never signs with a handle from before the library was started anew", async () => {
    for (const object of ["one", "two"]) await (await open(object)).close();
    const first = await open("one");
    const second = await open("two");
    const module = await modules.acquire(hsm.modulePath);
    await module.reinitialize(module.generation);
    // SoftHSM counts from one again: the second now gets the numbers that the first still holds.
    await expectSigns(second);
    await expectSigns(first);
    await module.release();
  });

  it("never finalises the library beside a call", async () => {
    const clock = new ManualClock();
    const signer = await open("one");
    const other = await open("two", clock);
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let hold = true;
    tap.before = (call) => {
      if (call !== "C_SignAsync" || !hold) return undefined;
      hold = false;
      asked.resolve();
      return gate.promise;
    };
    const held = signer.sign(message, { signal });
    await asked.promise;
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering" });
    const signing = other.sign(message, { signal });
    await noticed;
    hsm.bringBack(folder);
    await clock.advance(recoveryDelay.msMin);
    expect(tap.counts.get("C_Finalize")).toBeUndefined();
    gate.resolve();
    const signatures = await Promise.all([held, signing]);
    expect(nodeCrypto.verify(signer.publicKey(), message, signatures[0])).toBe(true);
    expect(nodeCrypto.verify(other.publicKey(), message, signatures[1])).toBe(true);
    expect(tap.counts.get("C_Finalize")).toBeGreaterThan(0);
  });

  it("gives a request up after its attempts when the token opens and never signs", async () => {
    const signer = await open("device");
    let calls = 0;
    let failing = true;
    tap.before = (call) => {
      // Every second signature is the self-test of a session just opened.
      if (call === "C_SignInit" && failing && ++calls % 2 === 1) closeAllSessions();
    };
    const signing = signer.sign(message, { signal });
    await expect(signing).rejects.toMatchObject({
      code: "SIGN_FAILED",
      details: { attempts: signAttemptsMax, ckr: "CKR_SESSION_HANDLE_INVALID" },
    });
    failing = false;
    await expectSigns(signer);
  });

  it("closes at once while it waits for its token", async () => {
    const signer = await open("device", new ManualClock());
    hsm.takeAway(folder);
    const noticed = log.next({ event: "signer.recovering" });
    const signing = signer.sign(message, { signal });
    signing.catch(() => undefined);
    await noticed;
    await signer.close();
    await expect(signing).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
    expect(tap.counts.get("C_Finalize")).toBe(1);
  });
});
