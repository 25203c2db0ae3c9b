import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import type { Identifier } from "../wire/identifier.ts";
import { keepsNewer } from "./choice.ts";
import { peerLimits } from "./limits.ts";
import type { PeerMember } from "./network.ts";
import { mayLink, routeTo } from "./route.ts";

const members = fc
  .array(
    fc.record({ organisation: fc.constantFrom("north", "south", "east"), border: fc.boolean() }),
    {
      minLength: 2,
      maxLength: 9,
    },
  )
  .map((nodes) =>
    nodes.map(
      ({ organisation, border }, index): PeerMember => ({
        name: name(`n${index}`),
        organisation: name(organisation),
        border,
        channels: [],
      }),
    ),
  );

describe("routeTo", () => {
  test("leads over links that are allowed, through at most two relays, or says that there is none", () => {
    fc.assert(
      fc.property(members, (all) => {
        for (const from of all)
          for (const to of all) {
            if (from === to) continue;
            const hasWay = [from, to].every(
              (end) =>
                from.organisation === to.organisation ||
                all.some(({ border, organisation }) => border && organisation === end.organisation),
            );
            for (const way of ways(all, from.name, to.name)) {
              expect(way.length - 2).toBeLessThanOrEqual(peerLimits.relaysMax);
              for (const [index, node] of way.slice(1).entries())
                expect(mayLink(memberOf(all, way[index]), memberOf(all, node))).toBe(true);
            }
            expect(ways(all, from.name, to.name).length > 0).toBe(hasWay);
          }
      }),
    );
  });

  test("keeps what two nodes of one organisation say inside it", () => {
    fc.assert(
      fc.property(members, (all) => {
        for (const from of all)
          for (const to of all)
            if (from !== to && from.organisation === to.organisation)
              expect(routeTo(from.name, to.name, all)).toEqual({ kind: "direct" });
      }),
    );
  });

  test("lets an inner node name relays of its own organisation alone", () => {
    fc.assert(
      fc.property(members, (all) => {
        for (const from of all.filter(({ border }) => !border))
          for (const to of all) {
            const route = routeTo(from.name, to.name, all);
            if (route.kind !== "via") continue;
            for (const relay of route.relays)
              expect(memberOf(all, relay)).toMatchObject({
                organisation: from.organisation,
                border: true,
              });
          }
      }),
    );
  });

  test("knows no way to itself or to a stranger", () => {
    const all = [{ name: name("a"), organisation: name("o"), border: true, channels: [] }];
    expect(routeTo(name("a"), name("a"), all)).toEqual({ kind: "none" });
    expect(routeTo(name("a"), name("b"), all)).toEqual({ kind: "none" });
    expect(routeTo(name("b"), name("a"), all)).toEqual({ kind: "none" });
  });
});

test("both ends of two links keep the same one, in whatever order they see them", () => {
  const origin = fc.record({
    relayed: fc.boolean(),
    dialler: fc.constantFrom(name("a"), name("b")),
  });
  fc.assert(
    fc.property(origin, origin, (one, other) => {
      const alike = one.relayed === other.relayed && one.dialler === other.dialler;
      if (alike) expect(keepsNewer(one, other)).toBe(true);
      else expect(keepsNewer(one, other)).toBe(!keepsNewer(other, one));
    }),
  );
});

/** All ways that a stream could take by asking each node in turn. */
function ways(
  all: readonly PeerMember[],
  from: Identifier,
  to: Identifier,
): readonly (readonly Identifier[])[] {
  const route = routeTo(from, to, all);
  if (route.kind === "none") return [];
  if (route.kind === "direct") return [[from, to]];
  return route.relays.flatMap((relay) => ways(all, relay, to).map((way) => [from, ...way]));
}

function memberOf(all: readonly PeerMember[], node: Identifier | undefined): PeerMember {
  return present(
    all.find((member) => member.name === node),
    "member",
  );
}
