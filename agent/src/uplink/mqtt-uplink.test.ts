import { equal, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeEpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import { encodeCertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createKey, day } from "../../../test/support/certificate-builder.ts";
import type { ServerCertificateOptions } from "../../../test/support/enrolled-device.ts";
import { EnrolledDevice } from "../../../test/support/enrolled-device.ts";
import { ScriptedGateway } from "../../../test/support/scripted-gateway.ts";
import { soon } from "../../../test/support/soon.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import {
  bundle,
  positionOf,
  prove,
  startUplink,
  statementOf,
} from "../../../test/support/uplink-rig.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { windowBytesMax, windowMessagesMax } from "./limits.ts";

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function enrolled(...parameters: ConstructorParameters<typeof EnrolledDevice>): EnrolledDevice {
  const device = new EnrolledDevice(...parameters);
  cleanups.push(() => device.remove());
  return device;
}

async function startGateway(device: EnrolledDevice, options: ServerCertificateOptions = {}) {
  const gateway = await ScriptedGateway.listen(device.server(options));
  cleanups.push(() => gateway.close());
  return gateway;
}

async function startAgent(...parameters: Parameters<typeof startUplink>) {
  const agent = await startUplink(...parameters);
  cleanups.push(agent.close);
  return agent;
}

const fresh = (label: string) => ({
  name: name(label),
  organisation: name(`organisation-of-${label}`),
  key: createKey("EdDSA"),
});

describe("what goes up", () => {
  test("asks what the gateway holds, then sends what is pending, newest checkpoint named", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    gateway.answer = (haves) => ({ all: false, want: haves.flatMap(({ pending }) => pending) });
    await bundle(agent.outbox, agent.run, 3);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(2), soon);
    expect(gateway.published[0]?.kind).toBe("have");
    expect(gateway.checkpoint).toBeUndefined();
    await vi.waitFor(() => expect(agent.uplink.status().counts.stored).toBe(2), soon);
    expect(agent.uplink.status().phase).toBe("sending");
  });

  test("sends nothing that the gateway holds already", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [1]);
    await agent.close();
    const again = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(again.uplink.status().phase).toBe("sending"), soon);
    await bundle(again.outbox, again.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const [statement] = gateway.statements().map(statementOf);
    if (statement === undefined) throw new Error("no statement");
    expect(positionOf(statement).range.first).toBe(1n);
  });

  test("sends identical bytes again when the PUBACK was lost with the connection", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    gateway.judge = ({ kind }) => (kind === "statement" ? "cut" : "acknowledge");
    gateway.answer = (haves) => ({ all: false, want: haves.flatMap(({ pending }) => pending) });
    const agent = await startAgent(device, [gateway.port]);
    await bundle(agent.outbox, agent.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBeGreaterThan(0), soon);
    gateway.judge = () => "acknowledge";
    await vi.waitFor(() => expect(agent.uplink.status().counts.stored).toBe(2), soon);
    expect(gateway.connects).toBeGreaterThan(1);
    const distinct: Uint8Array[] = [];
    for (const bytes of gateway.statements())
      if (!distinct.some((known) => equal(known, bytes))) distinct.push(bytes);
    expect(distinct.length).toBe(2);
    expect(gateway.statements().length).toBeGreaterThan(2);
  });

  test("never has more in flight than the window, in messages and in bytes", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    for (let i = 0; i < 150; i++) await bundle(agent.outbox, agent.run);
    await vi.waitFor(() => expect(agent.uplink.status().counts.stored).toBe(150), soon);
    gateway.judge = ({ kind }) => (kind === "statement" ? "hold" : "acknowledge");
    for (let i = 0; i < 100; i++) await bundle(agent.outbox, agent.run);
    await vi.waitFor(() => expect(gateway.held.length).toBe(windowMessagesMax), soon);
    while (gateway.held.length > 0) gateway.held.shift()?.();
    await vi.waitFor(() => expect(gateway.held.length).toBe(100 - windowMessagesMax), soon);
    expect(gateway.heldMax).toBe(windowMessagesMax);
    while (gateway.held.length > 0) gateway.held.shift()?.();
    gateway.heldBytesMax = 0;
    // Ten of these fit into the window's bytes, and an eleventh does not.
    for (let i = 0; i < 14; i++) await bundle(agent.outbox, agent.run, 50, 8_192);
    await vi.waitFor(() => expect(gateway.held.length).toBe(10), soon);
    expect(agent.uplink.status().inFlight).toBe(10);
    gateway.judge = () => "acknowledge";
    while (gateway.held.length > 0) gateway.held.shift()?.();
    await vi.waitFor(() => expect(agent.uplink.status().counts.stored).toBe(264), soon);
    expect(gateway.heldBytesMax).toBeLessThanOrEqual(windowBytesMax);
  });

  test("lists what is final too for a gateway that lost it, and owes it until it has arrived", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    await bundle(agent.outbox, agent.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const [first] = gateway.statements();
    if (first === undefined) throw new Error("no statement");
    const proof = prove(device.channel, [statementOf(first)]);
    gateway.send(device.address, "head", proof.head);
    gateway.send(device.address, "proof", proof.final);
    await vi.waitFor(() => expect(agent.uplink.status().counts.final).toBe(1), soon);

    let asked = 0;
    gateway.answer = () => ({ all: ++asked === 1, want: [] });
    let cuts = 0;
    gateway.judge = ({ kind }) =>
      kind === "have" && asked === 1 && ++cuts === 1 ? "cut" : "acknowledge";
    gateway.cut();
    await vi.waitFor(() => expect(agent.identity.owesKept).toBe(true), soon);
    gateway.answer = (haves) => ({ all: false, want: haves.flatMap(({ kept }) => kept) });
    await vi.waitFor(() => expect(gateway.statements().length).toBe(2), soon);
    expect(gateway.statements()[1]).toEqual(first);
    await vi.waitFor(() => expect(agent.identity.owesKept).toBe(false), soon);
  });
});

describe("what comes down", () => {
  test("provisional, then final, each verified before it is believed", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    await bundle(agent.outbox, agent.run, 2);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const first = prove(device.channel, gateway.statements().map(statementOf));
    gateway.send(device.address, "head", first.head);
    gateway.send(device.address, "proof", first.final);
    await vi.waitFor(() => expect(agent.uplink.status().counts.final).toBe(1), soon);
    expect(agent.outbox.checkpoint()?.size).toBe(BigInt(first.size));

    await bundle(agent.outbox, agent.run, 2);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(2), soon);
    const second = prove(device.channel, gateway.statements().slice(1).map(statementOf), {
      from: first.size,
    });
    gateway.send(device.address, "proof", second.provisional);
    await vi.waitFor(() => expect(agent.uplink.status().counts.provisional).toBe(1), soon);
    expect(agent.outbox.status().statements.final).toBe(1);
    gateway.send(device.address, "head", second.head);
    gateway.send(device.address, "proof", second.final);
    await vi.waitFor(() => expect(agent.uplink.status().counts.final).toBe(2), soon);
    const seen = agent.events.flatMap((event) => (event.event === "ready" ? [] : [event.event]));
    expect(seen).toEqual(["stored", "final", "stored", "provisional", "final"]);
  });

  test("where the lane holds another statement in its place it insists on its own", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    const own = agent.outbox.find(agent.run.incarnation, 0n);
    if (own === undefined) throw new Error("no start statement");
    expect(gateway.statements()).toEqual([]);
    const other = own.bytes.slice();
    other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
    const proof = prove(device.channel, [other]);
    gateway.send(device.address, "head", proof.head);
    for (let i = 0; i < 3; i++) gateway.send(device.address, "proof", proof.final);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    expect(gateway.statements().map(statementOf)).toEqual([own.bytes]);
    const counts = { final: 0, stored: 1, refusedDownlink: 3 };
    await vi.waitFor(() => expect(agent.uplink.status().counts).toMatchObject(counts), soon);
    await vi.waitFor(() => expect(gateway.haves.length).toBe(2), soon);
    const right = prove(device.channel, [own.bytes], { from: proof.size });
    gateway.send(device.address, "head", right.head);
    gateway.send(device.address, "proof", right.final);
    await vi.waitFor(() => expect(agent.uplink.status().counts.final).toBe(1), soon);
    expect(gateway.statements().length).toBe(1);
  });

  test("a head of another history is an alarm, and nothing is freed on it", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    const known = nodeCrypto.sha256(utf8("another history"));
    await agent.outbox.rememberCheckpoint({ size: 1n, root: known });
    await agent.close();

    const again = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(again.uplink.status().phase).toBe("sending"), soon);
    expect(gateway.checkpoint?.size).toBe(1n);
    await bundle(again.outbox, again.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const forked = prove(device.channel, gateway.statements().map(statementOf), { from: 1 });
    gateway.send(device.address, "head", forked.head);
    gateway.send(device.address, "proof", forked.final);
    await vi.waitFor(() => expect(again.uplink.status().counts.refusedDownlink).toBe(1), soon);
    expect(again.uplink.status().alarms.map(({ code }) => code)).toEqual(["LEDGER_FORK"]);
    expect(again.outbox.status().statements.final).toBe(0);
    expect(again.outbox.checkpoint()).toEqual({ size: 1n, root: known });
  });

  test("seals of later validators are judged by the changes that the gateway told of", async () => {
    const device = enrolled();
    const { channel, address } = device;
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    await bundle(agent.outbox, agent.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const epochs = new SyntheticEpochs(channel);
    const later = [fresh("validator-2")];
    const thief = epochs.boundary([fresh("thief")], { voters: [] });
    epochs.end(later);
    const proof = prove(channel, gateway.statements().map(statementOf), { sealedBy: later });
    const proved = () => {
      gateway.send(address, "head", proof.head);
      gateway.send(address, "proof", proof.final);
    };
    const told = (boundaries: readonly BoundaryProof[], total = boundaries.length) =>
      gateway.send(address, "epochs", encodeEpochsMessage({ total, from: 0, boundaries }));
    const status = () => agent.uplink.status();
    proved();
    await vi.waitFor(() => expect(status().counts.refusedDownlink).toBe(2), soon);
    told([thief]);
    told([], 1);
    proved();
    await vi.waitFor(() => expect(status().counts.refusedDownlink).toBe(5), soon);
    expect([status().epoch, status().counts.final]).toEqual([0, 0]);
    told(epochs.boundaries);
    proved();
    await vi.waitFor(() => expect(status().counts.final).toBe(1), soon);
    expect(status().epoch).toBe(1);
    told([]);
    await vi.waitFor(() => expect(status().counts.refusedDownlink).toBe(6), soon);
    await agent.close();
    const again = await startAgent(device, [gateway.port]);
    expect(again.uplink.status().epoch).toBe(1);
  });

  test("a head without a path from the known checkpoint makes it ask again", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port]);
    const { channel } = device;
    await agent.outbox.rememberCheckpoint({ size: 1n, root: channel.log.head(1).root });
    await agent.close();

    const again = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(again.uplink.status().phase).toBe("sending"), soon);
    await bundle(again.outbox, again.run);
    await vi.waitFor(() => expect(gateway.statements().length).toBe(1), soon);
    const statements = gateway.statements().map(statementOf);
    const asked = gateway.haves.length;
    gateway.send(device.address, "head", prove(channel, statements).head);
    await vi.waitFor(() => expect(gateway.haves.length).toBeGreaterThan(asked), soon);
    expect(again.uplink.status().alarms).toEqual([]);
    const linked = prove(channel, statements, { from: 1 });
    gateway.send(device.address, "head", linked.head);
    gateway.send(device.address, "proof", linked.final);
    await vi.waitFor(() => expect(again.uplink.status().counts.final).toBe(1), soon);
  });
});

describe("who is trusted", () => {
  test("an expired server certificate is refused while the clock is set", async () => {
    const device = enrolled();
    const gateway = await startGateway(device, { notAfter: day("2025-06-01") });
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => {
      expect(agent.uplink.status().trouble?.code).toBe("UPLINK_SERVER_REFUSED");
    }, soon);
    expect(gateway.connects).toBe(0);
  });

  test.each([
    { why: "the quality says so", quality: "unsynchronised" as const },
    { why: "it is 1970", quality: "rtc" as const, wall: 3_600_000 },
  ])("dates do not count while the clock is not set: $why", async ({ quality, wall }) => {
    const device = enrolled();
    const gateway = await startGateway(device, { notAfter: day("2025-06-01") });
    const agent = await startAgent(device, [gateway.port], {
      quality,
      ...(wall === undefined ? {} : { wall }),
    });
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    expect(agent.uplink.status().datesChecked).toBe(false);
  });

  const refused: Readonly<Record<string, (device: EnrolledDevice) => ServerCertificateOptions>> = {
    "another CA of the same name": () => ({ site: new SyntheticChannel() }),
    "another host": () => ({ dnsNames: ["elsewhere.example"] }),
    "a device's certificate": (device) => ({
      uris: [`urn:x-tamga:tls:${device.address.channel}:${device.address.device}`],
    }),
    "another channel": () => ({ uris: ["urn:x-tamga:gateway-tls:other:gateway-1"] }),
    "a client's purpose": () => ({ extendedKeyUsage: ["1.3.6.1.5.5.7.3.2"] }),
  };
  test.each(
    Object.keys(refused).flatMap((what) =>
      (["ntp", "unsynchronised"] as const).map((quality) => ({ what, quality })),
    ),
  )("$what is refused, clock $quality", async ({ what, quality }) => {
    const device = enrolled();
    const gateway = await startGateway(device, refused[what]?.(device));
    const agent = await startAgent(device, [gateway.port], { quality });
    await vi.waitFor(() => {
      expect(agent.uplink.status().trouble?.code).toBe("UPLINK_SERVER_REFUSED");
    }, soon);
    expect(gateway.published).toEqual([]);
    expect(gateway.connects).toBe(0);
  });

  test("the next gateway of the list is tried, and kept", async () => {
    const device = enrolled();
    const wrong = await startGateway(device, { dnsNames: ["elsewhere.example"] });
    const right = await startGateway(device);
    const agent = await startAgent(device, [wrong.port, right.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    right.cut();
    await vi.waitFor(() => expect(agent.uplink.status().counts.connects).toBe(2), soon);
    expect(right.connects).toBe(2);
    expect(wrong.connects).toBe(0);
  });
});

describe("renewal", () => {
  test("with expired certificates it renews, connects anew, and only then asks", async () => {
    const device = enrolled({ notAfter: day("2025-06-01") });
    const gateway = await startGateway(device);
    gateway.judge = ({ kind }) => {
      if (kind !== "renew") return "acknowledge";
      const issued = encodeCertificateMessage(device.certificates());
      queueMicrotask(() => gateway.send(device.address, "certificate", issued));
      return "acknowledge";
    };
    const agent = await startAgent(device, [gateway.port]);
    await vi.waitFor(() => expect(agent.uplink.status().phase).toBe("sending"), soon);
    expect(gateway.published.map(({ kind }) => kind).slice(0, 2)).toEqual(["renew", "have"]);
    expect(gateway.connects).toBe(2);
    expect(agent.uplink.status().certificates.state).toBe("valid");
  });

  test("in the last third of their life it delivers first, then renews", async () => {
    const device = enrolled({
      notBefore: day("2020-01-01"),
      notAfter: day("2027-06-01"),
    });
    const gateway = await startGateway(device);
    const agent = await startAgent(device, [gateway.port], { wall: day("2026-11-01").getTime() });
    await vi.waitFor(() => expect(gateway.published.at(-1)?.kind).toBe("renew"), soon);
    expect(gateway.published[0]?.kind).toBe("have");
    // Certificates for another key or device change nothing.
    const other = enrolled();
    gateway.send(device.address, "certificate", encodeCertificateMessage(other.certificates()));
    await vi.waitFor(() => expect(agent.uplink.status().counts.refusedDownlink).toBe(1), soon);
    expect(agent.uplink.status().certificates.state).toBe("due");
  });

  test("a gateway that cuts it off at the first question is asked for a renewal", async () => {
    const device = enrolled();
    const gateway = await startGateway(device);
    gateway.judge = ({ kind }) => (kind === "have" ? "cut" : "acknowledge");
    await startAgent(device, [gateway.port], { quality: "unsynchronised", wall: 0 });
    await vi.waitFor(() => {
      expect(gateway.published.map(({ kind }) => kind)).toEqual(["have", "have", "renew"]);
    }, soon);
  });
});
