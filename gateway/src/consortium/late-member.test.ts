/** A member that was admitted while it was away: it follows every change since, orders, and comes back. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";

const four = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;
const run = (name: string, ...args: string[]) => consortium.run(name, ...args);

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-late-"));
  consortium = await GatewayConsortium.create(directory, [...four, "e"]);
  for (const name of four) consortium.configure(name, four);
  await consortium.open(four);
  for (const name of four) await consortium.start(name);
  await run("e", "join", "--out", consortium.path("e.json"));
  await run("e", "join", "--take", consortium.path("channel.tamga"), "--follow");
});
afterEach(() => consortium.close());

const reaches = (name: string, more: object) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject(more);
  }, soon);

/** A change that these approve, each in its turn, and the first proposes and hands in. */
async function change(what: readonly string[], turns: readonly string[]): Promise<void> {
  const [first = "", ...others] = turns;
  const file = consortium.path(`proposal${what.join("").replaceAll(/\W/g, "")}`);
  await run(first, "propose", "validators", ...what, "--to", file);
  for (const name of others) await run(name, "approve", file);
  await run(first, "submit", file);
}

it("catches up over two changes, orders with the others, and again after a restart", async () => {
  await change(["--admit", consortium.path("e.json")], ["a", "b", "c", "d", "b", "d", "a"]);
  await reaches("c", { epoch: 1 });
  await change(["--remove", "b"], ["a", "c", "d", "c", "d", "a"]);
  await reaches("a", { epoch: 2 });
  await reaches("c", { epoch: 2 });
  await consortium.stop("b");
  await consortium.stop("d");

  await consortium.start("e");
  // Three are needed, and there are three: each seal from now on has the late one's signature.
  await consortium.orderOne("a");
  const { size } = Object(await consortium.json("a", "status"));
  await reaches("e", { epoch: 2, sealedSize: size, quorum: { needed: 3, reachable: 3 } });

  await consortium.stop("e");
  await consortium.start("e");
  const file = consortium.path("policy");
  await run("a", "propose", "policy", "--rule", "anchor=2", "--to", file);
  for (const name of ["c", "e"]) await run(name, "approve", file);
  await run("e", "submit", file);
  await reaches("a", { epoch: 2, size: size + 1, sealedSize: size + 1 });
}, 400_000);
