/** Where the running gateway listens, as it wrote it down for the commands beside it. */

import { readFileSync } from "node:fs";
import { z } from "zod";

const addressSchema = z.strictObject({ http: z.url(), mqttPort: z.int().min(1).max(65_535) });

/** @returns undefined where no gateway has ever listened here. */
export function readAddress(path: string): z.output<typeof addressSchema> | undefined {
  try {
    return addressSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
