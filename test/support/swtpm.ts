/** A swtpm of a test's own: an emulated TPM 2.0 with a maker's certificate, its state under /tmp. */

import type { ChildProcess } from "node:child_process";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pause } from "../end-to-end/rig/wait.ts";

const run = promisify(execFile);

export class Swtpm {
  readonly directory: string;
  /** Commands go here, raw. */
  readonly socket: string;
  #process: ChildProcess | undefined;

  private constructor(directory: string) {
    this.directory = directory;
    this.socket = join(directory, "tpm");
  }

  /** Made by a maker of its own, whose certificates are in {@link makerCertificates}, and started. */
  static async make(
    options: {
      /** Of the endorsement key: RSA-2048, or P-384. */
      readonly kind?: "rsa" | "ecc";
    } = {},
  ): Promise<Swtpm> {
    const swtpm = new Swtpm(mkdtempSync(join(tmpdir(), "tamga-swtpm-")));
    swtpm.#manufacture(options.kind ?? "rsa");
    await swtpm.start();
    return swtpm;
  }

  get keyUriQuery(): string {
    return `?swtpm=${this.socket}`;
  }

  /** PEM of the certificates that the endorsement key's ends in: root first. */
  get makerCertificates(): readonly string[] {
    return ["swtpm-localca-rootca-cert.pem", "issuercert.pem"].map((name) =>
      readFileSync(join(this.directory, "maker", name), "utf8"),
    );
  }

  /** Powers it on: PCRs are as after a reset. */
  async start(): Promise<void> {
    const args = [
      ...["socket", "--tpm2", "--tpmstate", `dir=${join(this.directory, "state")}`],
      ...["--server", `type=unixio,path=${this.socket}`],
      // The control channel where tpm2-tools look for it.
      ...["--ctrl", `type=unixio,path=${this.socket}.ctrl`],
      ...["--flags", "not-need-init,startup-clear"],
    ];
    const child = spawn("swtpm", args, { stdio: "ignore" });
    this.#process = child;
    // The socket's file is there a moment before anybody listens behind it.
    while (!(await listens(this.socket))) {
      if (child.exitCode !== null) throw new Error(`swtpm ended with ${child.exitCode}`);
      await pause(10);
    }
  }

  /** As if its power went. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    rmSync(this.socket, { force: true });
    rmSync(`${this.socket}.ctrl`, { force: true });
  }

  /** One of tpm2-tools, on this TPM, in the folder `work` of it. @returns what it prints. */
  async tool(name: string, ...args: readonly string[]): Promise<string> {
    const work = this.work;
    const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${this.socket}` };
    const { stdout } = await run(name, args, { cwd: work, env }).finally(() =>
      // Without a resource manager a tool leaves in the TPM what it loaded.
      run("tpm2_flushcontext", ["--transient-object"], { cwd: work, env }),
    );
    return stdout;
  }

  /** A tool that needs no TPM, while the only line to this one is in use. */
  async toolAlone(name: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run(name, args, { cwd: this.work });
    return stdout;
  }

  /** Where tools leave their files. */
  get work(): string {
    const work = join(this.directory, "work");
    mkdirSync(work, { recursive: true });
    return work;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #manufacture(kind: "rsa" | "ecc"): void {
    const [state, maker] = ["state", "maker"].map((name) => join(this.directory, name));
    for (const dir of [state, maker]) mkdirSync(dir ?? "");
    const file = (name: string, lines: readonly string[]) => {
      const path = join(this.directory, name);
      writeFileSync(path, `${lines.join("\n")}\n`);
      return path;
    };
    const ca = file("localca.conf", [
      `statedir = ${maker}`,
      `signingkey = ${maker}/signkey.pem`,
      `issuercert = ${maker}/issuercert.pem`,
      `certserial = ${maker}/certserial`,
    ]);
    const caOptions = file("localca.options", [
      "--platform-manufacturer Tamga",
      "--platform-version 1",
      "--platform-model test",
    ]);
    const setup = file("setup.conf", [
      "create_certs_tool = /usr/bin/swtpm_localca",
      `create_certs_tool_config = ${ca}`,
      `create_certs_tool_options = ${caOptions}`,
    ]);
    const args = [
      ...["--tpm2", "--tpmstate", state ?? "", "--config", setup],
      ...["--create-ek-cert", "--overwrite", ...(kind === "ecc" ? ["--ecc"] : [])],
    ];
    execFileSync("swtpm_setup", args, { stdio: "pipe" });
  }
}

function listens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
