/** Rules of blocks, seals and epochs. */

import type { Mutation } from "./mutation.ts";

export const chainMutations: readonly Mutation[] = [
  {
    name: "seal before final",
    edits: [
      {
        file: "voting.ts",
        find: "    sendVote(core, vote);\n    isVoted = true;",
        replace:
          '    sendVote(core, vote);\n    const { epoch, height, logSize: size, logRoot: root } = node.block.header;\n    core.out.emit({ type: "sign-seal", point: { epoch, height, size, root } });\n    isVoted = true;',
      },
    ],
    kill: {
      runs: [
        "threeNotarizedAndTheLeaderGone:1",
        "bodyOnTwoDisks:1",
        "twoFinalizedAndTheLeaderGone:1",
      ],
      rule: "seal",
    },
  },
  {
    name: "sealed by q - 1",
    edits: [
      {
        file: "sealing.ts",
        find: "if (payloads.size < this.#validators.quorum)",
        replace: "if (payloads.size < this.#validators.quorum - 1)",
      },
    ],
    kill: {
      runs: [
        "threeNotarizedAndTheLeaderGone:1",
        "bodyOnTwoDisks:1",
        "twoFinalizedAndTheLeaderGone:1",
      ],
      rule: "sealed",
    },
  },
  {
    name: "epoch ignored: votes of one count in another",
    edits: [{ file: "vote.ts", find: "u64(BigInt(epoch)),", replace: "u64(BigInt(epoch * 0))," }],
    kill: { runs: ["5:44", "7:40"], rule: "durable votes", liar: "old-epoch-replayer" },
  },
  {
    name: "epoch ignored: messages of another are taken",
    layers: "by the engine; by the replica",
    edits: [
      {
        file: "receiving.ts",
        find: "if (message.epoch === core.set.epoch) receiveVote(",
        replace: "receiveVote(",
      },
      {
        file: "channel-engine.ts",
        find: '    case "fetch-ancestors":\n      return undefined;',
        replace: '    case "fetch-ancestors":\n    case "vote":\n      return undefined;',
      },
    ],
    kill: { runs: ["7:1", "10:1", "4:1"], rule: "blame" },
  },
  {
    name: "boundary: it alone may be proposed again",
    edits: [
      {
        file: "voting.ts",
        find: "if (isRepeated && (header.boundary === undefined || header.view > view))",
        replace: "if (isRepeated && header.view > view)",
      },
    ],
    kill: { runs: ["7:5", "10:2"], rule: "boundary", liar: "stale-parent-leader" },
  },
  {
    name: "time never falls",
    layers: "the leader's; each voter's",
    edits: [
      {
        file: "proposing.ts",
        find: "return unixMillis(Math.max(wall, time));",
        replace: "return unixMillis(wall + time * 0);",
      },
      {
        file: "block-tree.ts",
        find: 'if (header.time < parent.time) return "BLOCK_TIME_BACK";',
        replace: "",
      },
    ],
    kill: { runs: ["4:1", "4:2", "10:1"], rule: "chain" },
  },
];
