/** Where a command finds the configuration. */

import { join } from "node:path";
import { deviceFiles } from "./identity/device-files.ts";

export type ConfigOptions = { readonly config?: string; readonly data?: string };

/** `--config FILE`, else `agent.toml` in `--data DIR`, else in the working directory. */
export function configPath({ config, data }: ConfigOptions): string {
  return config ?? join(data ?? ".", deviceFiles.config);
}
