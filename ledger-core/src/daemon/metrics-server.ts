/** The daemon's own small HTTP server: health, Prometheus metrics, and the routes it is given. */

import { isIPv4 } from "node:net";
import type { FastifyInstance } from "fastify";
import { fastify } from "fastify";
import type { Registry } from "prom-client";
import { OperationalError } from "../base/operational-error.ts";
import {
  httpBodyBytesMax,
  httpConnectionsMax,
  httpHeaderBytesMax,
  httpHeadersMsMax,
  httpRequestMsMax,
} from "./limits.ts";

/** One thing that may be wrong; `reason` gives a short clause while it is, undefined while not. */
export type HealthCheck = { readonly name: string; readonly reason: () => string | undefined };

/** What `/healthz` answers: 200 when ok, 503 when degraded. */
export type Health = {
  readonly status: "ok" | "degraded";
  readonly reasons: readonly { readonly name: string; readonly reason: string }[];
};

export type HttpServerOptions = {
  /** An address to listen on; `127.0.0.1` where configuration says nothing. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly registry: Registry;
  readonly health: readonly HealthCheck[];
  /** Adds the daemon's routes, e.g. `/status.json` and `/`. */
  readonly routes?: (server: FastifyInstance) => void;
  /** The operator's word that others may connect: it has neither TLS nor passwords. */
  readonly allowRemote?: boolean;
};

export type HttpServer = {
  readonly listen: () => Promise<{ readonly host: string; readonly port: number }>;
  /** Ends also the connections that are idle or slow. */
  readonly close: () => Promise<void>;
};

/** Throws HTTP_NOT_LOOPBACK for another host than loopback unless `allowRemote`. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { host, port, registry, health } = options;
  if (!isLoopback(host) && options.allowRemote !== true) {
    const sentence =
      `The HTTP server would listen on ${host}, which others can reach without a password: ` +
      "listen on 127.0.0.1, or allow it in the configuration.";
    throw new OperationalError("HTTP_NOT_LOOPBACK", sentence, { details: { host } });
  }
  const server = fastify({
    bodyLimit: httpBodyBytesMax,
    requestTimeout: httpRequestMsMax,
    keepAliveTimeout: httpHeadersMsMax,
    forceCloseConnections: true,
    http: {
      headersTimeout: httpHeadersMsMax,
      maxHeaderSize: httpHeaderBytesMax,
      connectionsCheckingInterval: 1_000,
    },
  });
  server.server.maxConnections = httpConnectionsMax;
  if (isLoopback(host)) refuseForeignNames(server);
  server.get("/healthz", (_request, reply) => {
    const judged = judgeHealth(health);
    return reply.code(judged.status === "ok" ? 200 : 503).send(judged);
  });
  server.get("/metrics", async (_request, reply) => {
    const text = await registry.metrics();
    return reply.type(registry.contentType).send(text);
  });
  options.routes?.(server);
  return {
    listen: async () => {
      try {
        await server.listen({ host, port });
      } catch (cause) {
        throw listenError(cause, host, port);
      }
      const [bound] = server.addresses();
      return typeof bound === "object" ? { host: bound.address, port: bound.port } : { host, port };
    },
    close: () => server.close(),
  };
}

export function judgeHealth(checks: readonly HealthCheck[]): Health {
  const reasons = checks.flatMap(({ name, reason }) => {
    try {
      const found = reason();
      return found === undefined ? [] : [{ name, reason: found }];
    } catch {
      return [{ name, reason: "the check itself failed" }];
    }
  });
  return { status: reasons.length === 0 ? "ok" : "degraded", reasons };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

/**
 * A page in a browser on this machine may point a name of its own at 127.0.0.1 and read what we
 * answer (DNS rebinding); its requests carry that name.
 */
function refuseForeignNames(server: FastifyInstance): void {
  server.addHook("onRequest", async (request, reply) => {
    const name = request.hostname.replace(/^\[(.*)\]$/, "$1");
    if (isLoopback(name)) return;
    await reply.code(421).send({ code: "HTTP_FOREIGN_HOST" });
  });
}

function listenError(cause: unknown, host: string, port: number): OperationalError {
  const systemCode = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const code = systemCode === "EADDRINUSE" ? "HTTP_PORT_IN_USE" : "HTTP_CANNOT_LISTEN";
  const sentence =
    `The HTTP server cannot listen on ${host}:${port} (${systemCode}): ` +
    "choose another port or address.";
  return new OperationalError(code, sentence, { details: { host, port, systemCode }, cause });
}
