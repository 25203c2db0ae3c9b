import { describe, expect, test, vi } from "vitest";
import { PeerConsortium, soon } from "../../../test/support/peer-consortium.ts";

const pair = { a: { organisation: "north" }, b: { organisation: "south" } };

describe("two peers", () => {
  test("exchange frames, whoever dialled, and tell how long a round trip takes", async () => {
    await using consortium = new PeerConsortium(pair);
    const b = await consortium.open("b");
    const a = await consortium.open("a", { listen: false, dials: { b: b.port } });
    a.send("b", "from a");
    b.send("a", "from b");
    await vi.waitFor(() => {
      expect(a.received).toHaveLength(1);
      expect(b.received).toHaveLength(1);
    }, soon);
    expect(b.received[0]).toMatchObject({ peer: "a", text: "from a" });
    expect(a.received[0]).toMatchObject({ peer: "b", text: "from b" });
    expect(a.status("b").connection.kind).toBe("dialled");
    expect(b.status("a").connection.kind).toBe("accepted");
    await vi.waitFor(() => expect(a.status("b").roundTripMs).toBeDefined(), soon);
  });
});
