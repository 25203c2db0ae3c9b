import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { Counter, Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { httpBodyBytesMax, httpConnectionsMax, httpHeaderBytesMax } from "./limits.ts";
import type { HttpServer, HttpServerOptions } from "./metrics-server.ts";
import { createHttpServer } from "./metrics-server.ts";

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(options: Partial<HttpServerOptions> = {}): Promise<string> {
  const registry = new Registry();
  server = createHttpServer({ host: "127.0.0.1", port: 0, registry, health: [], ...options });
  const { host, port } = await server.listen();
  return `http://${host}:${port}`;
}

describe("createHttpServer", () => {
  it("tells health with its reasons", async () => {
    let lost: string | undefined;
    const broken = () => {
      throw new Error("x");
    };
    const url = await start({ health: [{ name: "uplink", reason: () => lost }] });
    const healthy = await fetch(`${url}/healthz`);
    expect(healthy.status).toBe(200);
    expect(await healthy.json()).toEqual({ status: "ok", reasons: [] });
    lost = "no gateway for 5 minutes";
    const degraded = await fetch(`${url}/healthz`);
    expect(degraded.status).toBe(503);
    expect(await degraded.json()).toEqual({
      status: "degraded",
      reasons: [{ name: "uplink", reason: lost }],
    });
    await server?.close();
    const other = await start({ health: [{ name: "disk", reason: broken }] });
    expect(await (await fetch(`${other}/healthz`)).json()).toMatchObject({
      reasons: [{ name: "disk", reason: "the check itself failed" }],
    });
  });

  it("serves metrics and the daemon's own routes", async () => {
    const registry = new Registry();
    new Counter({ name: "tamga_test_readings_total", help: "x", registers: [registry] }).inc(3);
    const url = await start({
      registry,
      routes: (app) => {
        app.get("/status.json", async () => ({ backlog: 0 }));
        app.post("/echo", async () => "taken");
      },
    });
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.headers.get("content-type")).toContain("text/plain");
    expect(await metrics.text()).toContain("tamga_test_readings_total 3");
    expect(await (await fetch(`${url}/status.json`)).json()).toEqual({ backlog: 0 });
    const post = async (length: number) => {
      const headers = { "content-type": "text/plain" };
      const body = "x".repeat(length);
      return (await fetch(`${url}/echo`, { method: "POST", headers, body })).status;
    };
    expect(await post(httpBodyBytesMax)).toBe(200);
    expect(await post(httpBodyBytesMax + 1)).toBe(413);
    const long = { headers: { "x-long": "x".repeat(httpHeaderBytesMax) } };
    expect((await fetch(`${url}/healthz`, long)).status).toBe(431);
  });

  it("listens for others only on the operator's word", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org"])
      expect(() =>
        createHttpServer({ host, port: 0, registry: new Registry(), health: [] }),
      ).toThrow(expect.objectContaining({ code: "HTTP_NOT_LOOPBACK" }));
    // Documentation address: allowed, but no interface has it.
    await expect(start({ host: "192.0.2.1", allowRemote: true })).rejects.toMatchObject({
      code: "HTTP_CANNOT_LISTEN",
    });
  });

  it("says that a port is taken", async () => {
    const url = await start();
    const options = { host: "127.0.0.1", port: Number(new URL(url).port), health: [] };
    const second = createHttpServer({ ...options, registry: new Registry() });
    await expect(second.listen()).rejects.toMatchObject({ code: "HTTP_PORT_IN_USE" });
    await second.close();
  });

  it("refuses a page's own name for this machine, and knows its usual ones", async () => {
    const url = new URL(await start());
    const statusFor = async (name: string) => {
      const asked = request({ host: "127.0.0.1", port: url.port, path: "/healthz" });
      asked.setHeader("host", name);
      asked.end();
      const [response] = await once(asked, "response");
      response.resume();
      return response.statusCode;
    };
    expect(await statusFor("attacker.example")).toBe(421);
    expect(await statusFor("127.0.0.1.attacker.example:80")).toBe(421);
    for (const name of ["localhost", `localhost:${url.port}`, "127.0.0.1", "[::1]:80"])
      expect(await statusFor(name)).toBe(200);
  });

  it("holds so many connections and no more, and closes over them", async () => {
    const port = Number(new URL(await start()).port);
    const sockets = [];
    for (let i = 0; i < httpConnectionsMax; i++) {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      sockets.push(socket);
    }
    const extra = connect(port, "127.0.0.1");
    await once(extra, "close");
    expect(sockets.every((socket) => !socket.destroyed)).toBe(true);
    const closed = Promise.all(sockets.map((socket) => once(socket.resume(), "close")));
    await server?.close();
    expect(await closed).toHaveLength(httpConnectionsMax);
  });
});
