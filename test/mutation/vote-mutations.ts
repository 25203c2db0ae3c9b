/** Rules of the one signing function, S1 to S5. */

import type { Mutation } from "./mutation.ts";

export const voteMutations: readonly Mutation[] = [
  {
    name: "S1: a second proposal accepted",
    layers:
      "the first proposal of a view stands; a view with an own NOTARIZE is not judged again; the book",
    edits: [
      {
        file: "voting.ts",
        find: "const first = view >= core.view && !core.proposals.has(view) && !core.later.has(view);",
        replace: "const first = view >= core.view;",
      },
      {
        file: "voting.ts",
        find: "if (row?.notarized !== undefined || row?.nullified",
        replace: "if (row?.nullified",
      },
      {
        file: "vote-book.ts",
        find: "return row.notarized !== undefined;",
        replace: "return false;",
      },
      {
        file: "voting.ts",
        find: "if (vote !== undefined) sendVote(core, vote);\n  return vote !== undefined;",
        replace:
          "core.proposals.delete(view);\n  if (vote !== undefined) sendVote(core, vote);\n  return vote !== undefined;",
      },
    ],
    kill: { runs: ["twinsPropose:1"], rule: "S1" },
  },
  {
    name: "S1: a leader that restarts proposes anew",
    layers: "its own row; the stored NOTARIZE is the first proposal; the book",
    edits: [
      {
        file: "proposing.ts",
        find: " || book.row(view) !== undefined) return false;",
        replace: ") return false;",
      },
      { file: "replica.ts", find: "core.proposals.set(view, { kind", replace: "void ({ kind" },
      {
        file: "vote-book.ts",
        find: "return row.notarized !== undefined;",
        replace: "return false;",
      },
    ],
    kill: { runs: ["5:5", "7:2", "7:3"], rule: "S1" },
  },
  {
    name: "S2: NULLIFY after own FINALIZE",
    layers: "the notarization on the disk leads into the next view; the view's row; the book",
    edits: [
      {
        file: "vote-book.ts",
        find: 'case "nullify":\n      return row.finalized !== undefined;',
        replace: 'case "nullify":\n      return false;',
      },
      {
        file: "voting.ts",
        find: "if (row?.nullified !== undefined || row?.finalized !== undefined || !mayVote",
        replace: "if (row?.nullified !== undefined || !mayVote",
      },
      {
        file: "replica.ts",
        find: "        keepCertificate(core, certificate, false);\n",
        replace: "        void keepCertificate;\n",
      },
    ],
    kill: { runs: ["twoFinalizedAndTheLeaderGone:1"], rule: "S2" },
  },
  {
    name: "S2: FINALIZE after own NULLIFY",
    layers: "the view's row; the book",
    edits: [
      {
        file: "vote-book.ts",
        find: "return row.finalized !== undefined || row.nullified !== undefined;",
        replace: "return row.finalized !== undefined;",
      },
      {
        file: "voting.ts",
        find: "const isDecided = row?.nullified !== undefined || row?.finalized",
        replace: "const isDecided = row?.finalized",
      },
    ],
    kill: { runs: ["4:3", "7:2", "10:2"], rule: "S2" },
  },
  {
    name: "S3: execution unchecked",
    edits: [
      {
        file: "block-tree.ts",
        find: 'return sameRoots(executed.value.roots, header) ? executed.value : "BLOCK_ROOTS_WRONG";',
        replace: "return executed.value;",
      },
    ],
    kill: { runs: ["10:14", "10:10"], rule: "S3", liar: "wrong-root-leader" },
  },
  {
    name: "S3: NOTARIZE before execution",
    layers: "the judgement of a proposal; the book",
    edits: [
      {
        file: "voting.ts",
        find: 'const outcome = tree.execute(node);\n  if (outcome === "pending") {\n    const chain = tree.chainTo(node.digest);\n    if ("missing" in chain) core.wants.digests.set(digestKey(chain.missing), chain.missing);\n    core.wants.likely ??= core.leader;',
        replace:
          'const outcome: string = tree.chainTo(node.digest) ? "executed" : "";\n  if (outcome === "pending") {',
      },
      {
        file: "vote-book.ts",
        find: 'if (ballot.kind === "notarize" && !grounds.executed) return',
        replace: "if (false) return",
      },
    ],
    kill: { runs: ["10:10", "10:14"], rule: "S3", liar: "wrong-root-leader" },
  },
  {
    name: "S3: FINALIZE without a notarization",
    layers: "certificates alone lead to FINALIZE; the book",
    edits: [
      {
        file: "vote-book.ts",
        find: "if (!grounds.notarized) return",
        replace: "if (false) return",
      },
      {
        file: "voting.ts",
        find: "if (vote !== undefined) sendVote(core, vote);\n  return vote !== undefined;",
        replace:
          'if (vote !== undefined) sendVote(core, vote);\n  const hasty = vote && castVote(core, { ...ballot, kind: "finalize" }, node);\n  if (hasty !== undefined) sendVote(core, hasty);\n  return vote !== undefined;',
      },
    ],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "S3" },
  },
  {
    name: "S5: floor ignored",
    layers: "whoever wants to vote or propose asks; the book",
    edits: [
      {
        file: "vote-book.ts",
        find: 'if (this.isBelowFloor(ballot.view)) return err({ code: "VOTE_BELOW_FLOOR" });',
        replace: "",
      },
      { file: "voting.ts", find: " && !book.isBelowFloor(view);", replace: ";" },
      { file: "proposing.ts", find: "book.isBelowFloor(view) || ", replace: "" },
    ],
    kill: { runs: ["5:2", "4:2", "10:2"], rule: "S5" },
  },
  {
    name: "S4: rows deleted beyond the final view",
    edits: [
      {
        file: "committing.ts",
        find: "const floor = book.raiseFloor(view);",
        replace: "const floor = book.raiseFloor(view + 1);",
      },
    ],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "S4" },
  },
  {
    name: "S4: floor raised before the block is committed",
    edits: [
      {
        file: "committing.ts",
        find: "const floor = book.raiseFloor(view);",
        replace: 'const floor = book.raiseFloor(view);\n  out.write({ type: "floor", floor });',
      },
    ],
    kill: { runs: ["7:1", "4:1", "5:1"], rule: "S4" },
  },
];
