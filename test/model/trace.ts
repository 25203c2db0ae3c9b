/** A run of the Quint model as steps, and its reading out of the Informal Trace Format. */

import { z } from "zod";

const natural = z.int().nonnegative();
/** `block` is the chain to the block: each item is its view · 10 + payload. Empty for NULLIFY. */
const ballot = z.strictObject({
  kind: z.enum(["notarize", "nullify", "finalize"]),
  view: natural,
  parentView: natural,
  block: z.array(natural),
});
const step = z.discriminatedUnion("type", [
  /** An honest validator signs. */
  z.strictObject({ type: z.literal("vote"), validator: natural, ballot }),
  /** It takes in a certificate over the ballot, and with it enters the view after. */
  z.strictObject({ type: z.literal("enter"), validator: natural, ballot }),
  /** It crashes and starts again from its disk. */
  z.strictObject({ type: z.literal("restart"), validator: natural }),
  /** It starts with an empty disk and the flag set. */
  z.strictObject({ type: z.literal("lose"), validator: natural }),
  /** `peer` answers it, and proves that it may be in `view`. */
  z.strictObject({
    type: z.literal("answer"),
    validator: natural,
    peer: natural,
    view: natural,
  }),
  /** Its flag is cleared; it abstains up to `floor`. */
  z.strictObject({ type: z.literal("recover"), validator: natural, floor: natural }),
]);

export const traceSchema = z.strictObject({
  validators: natural,
  liars: z.array(natural),
  steps: z.array(step),
});
export type Trace = z.infer<typeof traceSchema>;
export type TraceStep = z.infer<typeof step>;
export type TraceBallot = z.infer<typeof ballot>;

const itfNumber = z
  .object({ "#bigint": z.string() })
  .transform((value) => Number(value["#bigint"]));
const itfAnswers = z
  .object({ "#map": z.array(z.tuple([itfNumber, itfNumber])) })
  .transform((map) => new Map(map["#map"]));
const itfNodes = z
  .object({
    "#map": z.array(z.tuple([itfNumber, z.object({ floor: itfNumber, answers: itfAnswers })])),
  })
  .transform((map) => new Map(map["#map"]));
const itfState = z.object({
  nodes: itfNodes,
  event: z.object({
    kind: z.string(),
    validator: itfNumber,
    peer: itfNumber,
    ballot: z.object({
      kind: z.string(),
      view: itfNumber,
      parentView: itfNumber,
      block: z.array(itfNumber),
    }),
  }),
});
const itf = z.object({ states: z.array(z.record(z.string(), z.unknown())) });

/** @param text a trace of `simplex.qnt`. Throws where it is none. */
export function traceOfItf(
  text: string,
  who: { readonly validators: number; readonly liars: readonly number[] },
): Trace {
  const { states } = itf.parse(JSON.parse(text));
  const steps = states.slice(1).map((state): unknown => {
    const short = Object.entries(state).map(([name, value]) => [name.split("::").at(-1), value]);
    const { nodes, event } = itfState.parse(Object.fromEntries(short));
    const { kind, validator, peer } = event;
    const node = nodes.get(validator);
    const signed = { ...event.ballot, kind: event.ballot.kind.toLowerCase() };
    switch (kind) {
      case "enter":
        return { type: "enter", validator, ballot: signed };
      case "restart":
      case "lose":
        return { type: kind, validator };
      case "answer":
        return { type: "answer", validator, peer, view: node?.answers.get(peer) };
      case "recover":
        return { type: "recover", validator, floor: node?.floor };
      default:
        return { type: "vote", validator, ballot: signed };
    }
  });
  return traceSchema.parse({ ...who, steps });
}
