/** The parts of the daemons' status pages that the rig asks for. */

import { z } from "zod";

/** What scenarios look at in `/status.json` of an agent. */
export const agentStatusSchema = z.looseObject({
  outbox: z.looseObject({
    statements: z.looseObject({ pending: z.int(), provisional: z.int(), final: z.int() }),
    usedBytes: z.int(),
    quotaBytes: z.int(),
    intake: z.string(),
    gapRanges: z.int(),
    thinLevel: z.int(),
  }),
  uplink: z.looseObject({ phase: z.string(), inFlight: z.int() }),
  streams: z.array(z.looseObject({ readings: z.int(), incarnation: z.string() })),
});
export type RigAgentStatus = z.output<typeof agentStatusSchema>;

/** The same of a gateway. */
export const gatewayStatusSchema = z.looseObject({
  lane: z.looseObject({
    size: z.int(),
    orderedSize: z.int(),
    incarnations: z.int(),
    conflicts: z.int(),
    needsAll: z.boolean(),
  }),
});
export type RigGatewayStatus = z.output<typeof gatewayStatusSchema>;
