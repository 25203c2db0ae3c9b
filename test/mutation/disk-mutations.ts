/** Rules of durable votes, restarts and amnesia. */

import type { Mutation } from "./mutation.ts";

export const diskMutations: readonly Mutation[] = [
  {
    name: "durable votes: not written",
    edits: [{ file: "voting.ts", find: "    core.out.write(write);", replace: "" }],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "durable votes" },
  },
  {
    name: "durable votes: sent before they are written",
    edits: [
      {
        file: "step-output.ts",
        find: "return [...persist, ...this.#commits.splice(0), ...this.#rest.splice(0)];",
        replace: "return [...this.#rest.splice(0), ...persist, ...this.#commits.splice(0)];",
      },
    ],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "durable votes" },
  },
  {
    name: "durable votes: the body not kept before NOTARIZE",
    edits: [
      {
        file: "grounds.ts",
        find: 'out.write({ type: "block", epoch: set.epoch, digest: at.digest, block: at.block });',
        replace: "void [out, set];",
      },
    ],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "S3" },
  },
  {
    name: "durable votes: the notarization not kept before FINALIZE",
    edits: [
      {
        file: "grounds.ts",
        find: `writeOnce(core, \`\${own.notarization.ballot.kind} \${ballot.view}\`, own.notarization);`,
        replace: ";",
      },
    ],
    kill: { runs: ["7:1", "5:1", "4:1"], rule: "S3" },
  },
  {
    name: "durable votes: the parent's notarization not kept before NOTARIZE",
    edits: [
      {
        file: "grounds.ts",
        find: `writeOnce(core, \`\${notarization.ballot.kind} \${parentView}\`, notarization);`,
        replace: "",
      },
    ],
    kill: { runs: ["4:3", "7:2", "10:3"], rule: "durable votes" },
  },
  {
    name: "durable votes: nullifications of skipped views not kept before NOTARIZE",
    edits: [
      {
        file: "grounds.ts",
        find: `writeOnce(core, \`nullify \${certificate.ballot.view}\`, certificate);`,
        replace: "void certificate;",
      },
    ],
    kill: { runs: ["5:1", "10:1", "4:1"], rule: "durable votes" },
  },
  {
    name: "durable votes: the certificate of entry not kept before NULLIFY",
    edits: [
      {
        file: "voting.ts",
        find: 'if (ballot.kind === "nullify") writeEntry(core, ballot.view);\n    else if',
        replace: "if",
      },
    ],
    kill: { runs: ["5:1", "7:2", "4:1"], rule: "durable votes" },
  },
  {
    name: "amnesia flag ignored",
    layers: "whoever wants to vote or propose asks; the book",
    edits: [
      {
        file: "vote-book.ts",
        find: 'if (this.#amnesia) return err({ code: "VOTE_ABSTAINING" });',
        replace: "",
      },
      {
        file: "voting.ts",
        find: "self !== undefined && !book.amnesia &&",
        replace: "self !== undefined &&",
      },
      { file: "proposing.ts", find: "if (book.amnesia || ", replace: "if (" },
    ],
    kill: { runs: ["5:2", "4:2", "10:2"], rule: "amnesia" },
  },
  {
    name: "restart: own rows not counted again",
    edits: [
      {
        file: "replica.ts",
        find: "for (const vote of book.votesOf(view)) countVote(core, vote);",
        replace: "",
      },
    ],
    kill: { runs: ["ownNullifyAfterRestart:1"], rule: "liveness" },
  },
  {
    name: "restart: kept bodies not loaded",
    edits: [
      {
        file: "replica.ts",
        find: "if (epoch === set.epoch && height > tree.tip.height) tree.add(block, { kept: true });",
        replace: "void tree;",
      },
    ],
    kill: {
      runs: [
        "bodyOnTwoDisks:1",
        "threeNotarizedAndTheLeaderGone:1",
        "twoFinalizedAndTheLeaderGone:1",
      ],
      rule: "liveness",
    },
  },
  {
    name: "restart: kept certificates not loaded",
    edits: [
      {
        file: "replica.ts",
        find: "        keepCertificate(core, certificate, false);\n",
        replace: "        void keepCertificate;\n",
      },
    ],
    kill: { runs: ["twoFinalizedAndTheLeaderGone:1"], rule: "liveness" },
  },
];
