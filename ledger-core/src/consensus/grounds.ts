/** What justifies a vote, written down with it. */

import { equal } from "../base/bytes.ts";
import type { TreeBlock } from "./block-tree.ts";
import type { Certificate } from "./certificate.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { View } from "./validator-set.ts";
import type { BlockBallot } from "./vote.ts";

/**
 * Before a vote for a block leaves: its body and the certificates above the last final view that justify
 * it, of its unfinal ancestors too. Without them two validators that have finalized, and may not nullify,
 * could be left alone with a view that nobody else can justify.
 */
export function writeGrounds<State>(
  core: ReplicaCore<State>,
  node: TreeBlock<State>,
  ballot: BlockBallot,
): void {
  const { history, tree, out, persisted, set } = core;
  const own = history.find(ballot.view);
  if (ballot.kind === "finalize" && own?.notarization !== undefined)
    writeOnce(core, `${own.notarization.ballot.kind} ${ballot.view}`, own.notarization);
  let at: TreeBlock<State> | undefined = node;
  let { view, parentView } = ballot;
  while (at !== undefined) {
    const mark = `block ${at.key}`;
    if (!persisted.has(mark)) {
      persisted.add(mark);
      out.write({ type: "block", epoch: set.epoch, digest: at.digest, block: at.block });
    }
    for (const certificate of history.nullifications(parentView, view, Number.MAX_SAFE_INTEGER))
      writeOnce(core, `nullify ${certificate.ballot.view}`, certificate);
    const notarization = history.find(parentView)?.notarization;
    if (notarization === undefined) return;
    const isRepeated: boolean = equal(notarization.ballot.digest, at.digest);
    writeOnce(core, `${notarization.ballot.kind} ${parentView}`, notarization);
    view = parentView;
    parentView = notarization.ballot.parentView;
    at = isRepeated ? at : tree.get(at.block.header.parentDigest);
  }
}

/**
 * Before a NULLIFY leaves: the certificate that let this validator enter the view. After a restart it
 * proves how far the validator was, which an amnesiac's abstention relies on (`test/model/README.md`).
 */
export function writeEntry<State>(core: ReplicaCore<State>, view: View): void {
  const entry = core.history.entryOf(view);
  if (entry !== undefined) writeOnce(core, `${entry.ballot.kind} ${entry.ballot.view}`, entry);
}

function writeOnce<State>(
  { out, persisted }: ReplicaCore<State>,
  mark: string,
  certificate: Certificate,
): void {
  if (persisted.has(mark)) return;
  persisted.add(mark);
  out.write({ type: "certificate", certificate });
}
