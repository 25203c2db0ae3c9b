/** Four gateways of four organisations as real processes, with every line between two of them in the rig's hand. */

import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifySealedNote } from "@tamga/ledger-core/receipt/verify-seal";
import { z } from "zod";
import { freePorts } from "../../support/free-ports.ts";
import { unwrap } from "../../support/unwrap.ts";
import type { ConsortiumTemplate } from "./consortium-template.ts";
import { gatewayName, processEnv, validatorCount } from "./consortium-template.ts";
import { DeviceLoad } from "./device-load.ts";
import { PeerLine } from "./peer-line.ts";
import { Validator } from "./validator.ts";
import { writeValidatorConfig } from "./validator-config.ts";

export type ValidatorRigOptions = {
  readonly template: ConsortiumTemplate;
  /** Where the data directory of a gateway lies unless in the rig's own. */
  readonly dirOf?: (at: number) => string | undefined;
  /** Environment of a gateway's process. */
  readonly envOf?: (at: number) => Readonly<Record<string, string>>;
};

/** A sealed checkpoint that some validator served, verified. */
export type SealSeen = { readonly by: string; readonly size: bigint; readonly root: string };

const logsSchema = z.object({ logs: z.array(z.object({ kind: z.string(), prefix: z.string() })) });

export class ValidatorRig {
  readonly dir: string;
  readonly validators: readonly Validator[];
  readonly loads: readonly DeviceLoad[];
  readonly lines: readonly PeerLine[];
  readonly seals: SealSeen[] = [];
  /** Of every process. */
  readonly env: Readonly<Record<string, string>>;
  #prefix: string | undefined;

  private constructor(parts: {
    readonly dir: string;
    readonly validators: readonly Validator[];
    readonly loads: readonly DeviceLoad[];
    readonly lines: readonly PeerLine[];
    readonly env: Readonly<Record<string, string>>;
  }) {
    this.env = parts.env;
    this.dir = parts.dir;
    this.validators = parts.validators;
    this.loads = parts.loads;
    this.lines = parts.lines;
  }

  /** All four run and are linked by lines of the rig; no device sends yet. */
  static async open(options: ValidatorRigOptions): Promise<ValidatorRig> {
    const rig = await ValidatorRig.#lay(options);
    try {
      await Promise.all(rig.validators.map((one) => one.start()));
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  static async #lay({ template, dirOf, envOf }: ValidatorRigOptions): Promise<ValidatorRig> {
    const dir = mkdtempSync(join(tmpdir(), "tamga-validators-"));
    const ports = await freePorts(validatorCount);
    const lines: PeerLine[] = [];
    const env = processEnv(template.dir);
    const validators = ports.map(
      (_, at) =>
        new Validator({
          name: gatewayName(at),
          dir: dirOf?.(at) ?? join(dir, gatewayName(at)),
          env: { ...env, ...envOf?.(at) },
        }),
    );
    for (const [at, validator] of validators.entries()) {
      cpSync(join(template.dir, validator.name), validator.dir, { recursive: true });
      const ways: { readonly name: string; readonly port: number }[] = [];
      for (const [target, port] of ports.entries()) {
        if (target === at) continue;
        const listener = gatewayName(target);
        const ends = { dialler: validator.name, listener, target: port };
        const line = await PeerLine.listen(ends);
        lines.push(line);
        ways.push({ name: listener, port: line.port });
      }
      writeValidatorConfig(validator.dir, { at, peerPort: ports[at] ?? 0, ways });
    }
    const loads = validators.map(
      (one, at) => new DeviceLoad(one, present(template.devices[at], "device")),
    );
    return new ValidatorRig({ dir, validators, loads, lines, env });
  }

  validator(at: number): Validator {
    return present(this.validators[at], "validator");
  }

  load(at: number): DeviceLoad {
    return present(this.loads[at], "load");
  }

  /** Newest lines of all processes, for the message of a scenario that fails. */
  get tail(): string {
    return this.validators.flatMap(({ name, tail }) => [`--- ${name}`, tail]).join("\n");
  }

  /** @throws ProcessGone where a process ended by itself. */
  requireAlive(): void {
    for (const validator of this.validators) validator.requireAlive();
  }

  /** Bytes of `from` no longer reach `to`, the other way they do. */
  holdOneWay(from: number, to: number): void {
    this.#oneWay(from, to, (line, direction) => line.hold(direction));
  }

  releaseOneWay(from: number, to: number): void {
    this.#oneWay(from, to, (line, direction) => line.release(direction));
  }

  /** Every line of this validator breaks, and none comes up until `rejoin`. */
  isolate(at: number): void {
    for (const line of this.linesOf(at)) line.cut();
  }

  rejoin(at: number): void {
    for (const line of this.linesOf(at)) line.mend();
  }

  linesOf(at: number): readonly PeerLine[] {
    const name = gatewayName(at);
    return this.lines.filter(({ dialler, listener }) => dialler === name || listener === name);
  }

  startLoads(): void {
    for (const load of this.loads) load.start();
  }

  async stopLoads(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
  }

  /** Notes what each running validator serves as its newest sealed checkpoint; a bad one throws. */
  async noteSeals(): Promise<void> {
    for (const one of this.validators) {
      if (!one.isRunning) continue;
      const policy = unwrap(parseTrustPolicy(readFileSync(one.file("trust.json"))));
      const note = await one.get(`${await this.#channelPrefix()}/checkpoint`);
      if (note.status !== 200) continue;
      const seal = unwrap(verifySealedNote(nodeCrypto, policy, note.text));
      this.seals.push({ by: one.name, size: seal.head.size, root: toHex(seal.head.root) });
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.close()));
    await Promise.all(this.validators.map((one) => one.end("SIGKILL").catch(() => undefined)));
    await Promise.all(this.lines.map((line) => line.close()));
    rmSync(this.dir, { recursive: true, force: true });
  }

  #oneWay(
    from: number,
    to: number,
    act: (line: PeerLine, direction: "forward" | "backward") => void,
  ): void {
    const [sender, receiver] = [gatewayName(from), gatewayName(to)];
    for (const line of this.lines) {
      if (line.dialler === sender && line.listener === receiver) act(line, "forward");
      if (line.dialler === receiver && line.listener === sender) act(line, "backward");
    }
  }

  /** Where the gateways serve the channel's log; alike at all of them. */
  async #channelPrefix(): Promise<string> {
    if (this.#prefix !== undefined) return this.#prefix;
    const running = present(
      this.validators.find((one) => one.isRunning),
      "a validator that runs",
    );
    const { logs } = logsSchema.parse(JSON.parse((await running.get("/tlog/")).text));
    this.#prefix = present(
      logs.find(({ kind }) => kind === "channel"),
      "the channel's log",
    ).prefix;
    return this.#prefix;
  }
}
