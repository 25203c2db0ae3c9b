/**
 * Stands before an emulated TPM and answers TPM2_PolicySecret with a refusal of its own; all else goes through.
 * A stand-in for a TPM whose owner closed its endorsement hierarchy; never held against a chip that was.
 */

import { connect, createServer } from "node:net";

/** TPM_CC_PolicySecret. */
const refusedCommand = 0x0151;

/**
 * @param real socket of an emulated TPM that takes raw commands.
 * @param path where the refusing one listens.
 * @param responseCode TPM_RC that it answers with.
 */
export async function refusingTpm(
  real: string,
  path: string,
  responseCode: number,
): Promise<{
  readonly path: string;
  readonly refused: () => number;
  readonly close: () => Promise<void>;
}> {
  let refused = 0;
  const server = createServer((client) => {
    const tpm = connect({ path: real });
    client.on("error", () => tpm.destroy());
    tpm.on("error", () => client.destroy());
    client.on("close", () => tpm.destroy());
    tpm.on("close", () => client.destroy());
    tpm.on("data", (bytes) => client.write(bytes));
    // The agent sends a command, and waits for its response before the next one.
    let command = Buffer.alloc(0);
    client.on("data", (bytes) => {
      command = Buffer.concat([command, bytes]);
      if (command.length < 10 || command.length < command.readUInt32BE(2)) return;
      if (command.readUInt32BE(6) === refusedCommand) {
        refused++;
        const response = Buffer.from("80010000000a00000000", "hex");
        response.writeUInt32BE(responseCode, 6);
        client.write(response);
      } else tpm.write(command);
      command = Buffer.alloc(0);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    refused: () => refused,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
