/** The immutable state against a naive copy of everything, over random trees of changes; and its bytes. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { Consortium, kidOf } from "../../../test/support/consortium.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type {
  Anchor,
  ChannelChange,
  ChannelContent,
  Device,
  DeviceKey,
  Lane,
  Opening,
} from "./channel-content.ts";
import {
  contentDigest,
  contentMagic,
  encodeContent,
  parseContent,
} from "./channel-content-codec.ts";
import { ChannelState } from "./channel-state.ts";
import { contentBytesMax, ledgerLimits } from "./limits.ts";

const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);
const digestOf = (text: string) => sha256(utf8(text));
const channel = await Consortium.of(["dairy", "farm"]);
const { genesis, state: first } = channel;
const ports = { crypto: nodeCrypto, genesis };

const keys = Array.from({ length: 4 }, (_, i) => {
  const key = createKey("ES256");
  return { key, certificate: createCertificate({ subject: `g${i}`, publicKey: key }) };
});

/** The whole state as plain maps, copied for each change. */
type Model = {
  readonly lanes: ReadonlyMap<string, Lane>;
  readonly openings: ReadonlyMap<string, Opening>;
  readonly revocations: ReadonlyMap<string, ChannelContent["revocations"][number]>;
  readonly devices: ReadonlyMap<string, Device>;
  readonly deviceKeys: ReadonlyMap<string, DeviceKey>;
  readonly anchors: ReadonlyMap<string, Anchor>;
};

const emptyModel: Model = {
  lanes: new Map(),
  openings: new Map(),
  revocations: new Map(),
  devices: new Map(),
  deviceKeys: new Map(),
  anchors: new Map(),
};

const step = fc.record({
  /** Which of the states so far it follows. */
  of: fc.nat(),
  kind: fc.constantFrom("open", "grow", "freeze", "revoke", "device", "anchor" as const),
  who: fc.nat({ max: 3 }),
  number: fc.nat({ max: 1_000 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What a step changes, where it can change anything in this model. */
function changeOf(model: Model, { kind, who, number }: Step): ChannelChange | undefined {
  const gateway = name(`g${who}`);
  const [organisation, head] = [name("dairy"), { size: BigInt(number), root: digestOf("r") }];
  const { key, certificate } = present(keys[who], "key");
  const kid = digestOf(`kid ${number % 7}`);
  switch (kind) {
    case "open": {
      const incarnation = digestOf(`${who} ${number}`).slice(0, 16);
      const { publicKey } = key;
      const from = { gateway, organisation, certificate, incarnation, frozen: false };
      const lane = { ...from, key: publicKey, kid: kidOf(key), head: { ...head, size: 1n } };
      return { type: "lane-opened", lane, validityNotes: [] };
    }
    case "grow":
      return model.lanes.has(gateway) ? { type: "lane-grown", gateway, head } : undefined;
    case "freeze":
      return model.lanes.has(gateway) ? { type: "lane-frozen", gateway } : undefined;
    case "revoke":
      return {
        type: "key-revoked",
        device: gateway,
        revoked: { kid, reason: number % 2, since: BigInt(number) },
      };
    case "device":
      return {
        type: "device-key-stated",
        device: {
          name: name(`d${who}`),
          organisation,
          kid,
          certificate: digestOf(`${number}`),
          keyKind: "tpm",
        },
      };
    case "anchor":
      return { type: "anchored", target: name(`t${who}`), head };
  }
}

function applyNaively(model: Model, change: ChannelChange, index: bigint): Model {
  const put = <V>(map: ReadonlyMap<string, V>, key: string, value: V) =>
    new Map(map).set(key, value);
  switch (change.type) {
    case "lane-opened": {
      const { gateway, incarnation, kid, head } = change.lane;
      const opening = { incarnation, gateway, kid, root: head.root };
      return {
        ...model,
        lanes: put(model.lanes, gateway, { ...change.lane, index }),
        openings: put(model.openings, incarnation.join(), opening),
      };
    }
    case "lane-grown":
    case "lane-frozen": {
      const { gateway } = change;
      const lane = present(model.lanes.get(gateway), "lane");
      const next =
        change.type === "lane-frozen"
          ? { ...lane, frozen: true }
          : { ...lane, head: change.head, index };
      return { ...model, lanes: put(model.lanes, gateway, next) };
    }
    case "key-revoked": {
      const { revoked } = change;
      return { ...model, revocations: put(model.revocations, revoked.kid.join(), revoked) };
    }
    case "device-key-stated": {
      const { device } = change;
      const { kid, name: of, organisation } = device;
      return {
        ...model,
        devices: put(model.devices, of, device),
        deviceKeys: put(model.deviceKeys, kid.join(), { kid, device: of, organisation }),
      };
    }
    case "anchored": {
      const { target, head } = change;
      return { ...model, anchors: put(model.anchors, target, { target, head, index }) };
    }
    default:
      throw new Error(change.type);
  }
}

/** Everything in an order of its own, so that two contents compare. */
function picture(content: Model | ChannelContent) {
  const sorted = (list: Iterable<unknown>) =>
    [...list].map((item) => JSON.stringify(item, plain)).sort();
  const { lanes, openings, revocations, devices, deviceKeys, anchors } = content;
  return [lanes, openings, revocations, devices, deviceKeys, anchors].map((section) =>
    sorted(section.values()),
  );
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return value.join();
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every state that the steps lead to, with what the naive copy has. */
function grow(steps: readonly Step[]) {
  const states = [{ state: first.channel, model: emptyModel }];
  for (const [i, one] of steps.entries()) {
    const { state, model } = present(states[one.of % states.length], "state");
    const change = changeOf(model, one);
    if (change === undefined) continue;
    const index = BigInt(i + 1);
    states.push({ state: state.apply(change, index), model: applyNaively(model, change, index) });
    // Roots that were asked for early must not be kept for later.
    if (one.number % 3 === 0) state.root();
  }
  return states;
}

describe("the state", () => {
  it("is at each place of a tree of changes what a copy of everything would be", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        for (const { state, model } of grow(steps)) {
          expect(picture(state.content())).toEqual(picture(model));
          expect(state.frozenCount).toBe(
            [...model.lanes.values()].filter(({ frozen }) => frozen).length,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has the root of its content, however it came about, and no other content has it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const roots = new Map<string, string>();
        for (const { state } of grow(steps)) {
          const loaded = ChannelState.of(ports, state.content());
          expect(loaded.root()).toEqual(state.root());
          const seen = JSON.stringify(picture(state.content()));
          const root = state.root().join();
          expect(roots.get(root) ?? seen).toBe(seen);
          roots.set(root, seen);
        }
        expect(new Set(roots.values()).size).toBe(roots.size);
      }),
      { numRuns: 40 },
    );
  });
});

describe("a content's bytes", () => {
  it("are the same for equal states, and give the state back under its root", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { state } = present(grow(steps).at(-1), "state");
        const bytes = encodeContent(state);
        expect(encodeContent(ChannelState.of(ports, state.content()))).toEqual(bytes);
        const parsed = parseContent(ports, { bytes, stateRoot: state.root() });
        if (!parsed.ok) throw new Error(parsed.fault.code);
        expect(picture(parsed.value.content())).toEqual(picture(state.content()));
        expect(contentDigest(nodeCrypto, encodeContent(parsed.value))).toEqual(sha256(bytes));
      }),
      { numRuns: 40 },
    );
  });

  it("are refused where they are another's, not whole, or not under the root", async () => {
    const gateway = present(channel.members[0], "member").owner.gateway("g");
    expect(channel.order(gateway.open(channel.id))).toBe("OK");
    const { channel: state } = channel.state;
    const bytes = encodeContent(state);
    const stateRoot = state.root();
    const codeOf = (of: Uint8Array, root = stateRoot, limits = ledgerLimits) => {
      const parsed = parseContent(ports, { bytes: of, stateRoot: root }, limits);
      return parsed.ok ? "OK" : parsed.fault.code;
    };
    expect(codeOf(bytes)).toBe("OK");
    expect(codeOf(bytes, digestOf("x"))).toBe("CONTENT_ROOT_MISMATCH");
    expect(codeOf(bytes.subarray(1))).toBe("CBOR_MALFORMED");
    expect(codeOf(encodeCbor([contentMagic]))).toBe("FIELD_MISSING");
    expect(codeOf(bytes, stateRoot, { ...ledgerLimits, lanesMax: 0 })).toBe("FIELD_TOO_LONG");
    expect(codeOf(new Uint8Array(contentBytesMax + 1))).toBe("CBOR_TOO_LONG");
    const other = await Consortium.of(["dairy", "farm"]);
    expect(codeOf(encodeContent(other.state.channel))).toBe("CONTENT_OTHER_CHANNEL");
    const magic = bytes.slice();
    magic[2] = "u".charCodeAt(0);
    expect(codeOf(magic)).toBe("FIELD_BAD");
  });
});
