/**
 * What validators say of blocks that are gone: where those begin that are held, and a snapshot in parts for
 * who lacks them. The shell answers and takes them; the engine knows nothing of it.
 */

import type { Digest } from "../base/bytes.ts";
import type { Block } from "./block.ts";
import type { Certificate } from "./certificate.ts";

/** "I have nothing below this height": the answer where blocks were asked for that were pruned. */
export type Pruned = { readonly type: "pruned"; readonly below: number };

/** What a snapshot is fetched by, in this order. */
export const snapshotParts = ["head", "boundaries", "content", "entries"] as const;
export type SnapshotPart = (typeof snapshotParts)[number];

export type FetchSnapshot = {
  readonly type: "fetch-snapshot";
  /** Of the snapshot's block; 0 asks for the head of the newest. */
  readonly height: number;
  readonly part: SnapshotPart;
  /** The first epoch, byte or leaf that is missing; 0 with a head. */
  readonly from: number;
};

/** A final block whose state is to be had, and what makes it final. */
export type SnapshotHead = {
  readonly type: "snapshot";
  readonly block: Block;
  readonly certificate: Certificate;
  /** Of the state's content. */
  readonly contentBytes: number;
  /** The newest quorum's seal over this log or an earlier size of it, where there is one. */
  readonly seal?: SnapshotSeal;
};
export type SnapshotSeal = {
  readonly epoch: number;
  readonly height: number;
  readonly size: bigint;
  readonly seals: readonly { readonly validator: number; readonly payload: Uint8Array }[];
};

/** Blocks that ended an epoch, from epoch `from` on, each with its finalization. */
export type SnapshotBoundaries = {
  readonly type: "snapshot-boundaries";
  readonly height: number;
  readonly from: number;
  readonly boundaries: readonly { readonly block: Block; readonly certificate: Certificate }[];
};
/** Bytes of the content from an offset on. */
export type SnapshotContent = {
  readonly type: "snapshot-content";
  readonly height: number;
  readonly from: number;
  readonly bytes: Uint8Array;
};
/** Exact leaves of the log from an index on, and the consistency path from their end to the log's end there. */
export type SnapshotEntries = {
  readonly type: "snapshot-entries";
  readonly height: number;
  readonly from: number;
  readonly entries: readonly Uint8Array[];
  readonly path: readonly Digest[];
};

export type SnapshotAnswer = SnapshotHead | SnapshotBoundaries | SnapshotContent | SnapshotEntries;
export type SnapshotMessage = Pruned | FetchSnapshot | SnapshotAnswer;

/** Whether a message is none of the engine's. */
export function isSnapshotMessage<M extends { readonly type: string }>(
  message: M,
): message is Extract<M, { readonly type: SnapshotMessage["type"] }> {
  return types.has(message.type);
}

/** Whether a message is a part of a snapshot. */
export function isSnapshotAnswer<M extends { readonly type: string }>(
  message: M,
): message is Extract<M, { readonly type: SnapshotAnswer["type"] }> {
  return isSnapshotMessage(message) && message.type.startsWith("snapshot");
}

const types: ReadonlySet<string> = new Set<SnapshotMessage["type"]>([
  "pruned",
  "fetch-snapshot",
  "snapshot",
  "snapshot-boundaries",
  "snapshot-content",
  "snapshot-entries",
]);
