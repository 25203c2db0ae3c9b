/** Rules of certificates, views, timers, finality and resends. */

import type { Mutation } from "./mutation.ts";

export const viewMutations: readonly Mutation[] = [
  {
    name: "quorum of q - 1",
    edits: [
      {
        file: "validator-set.ts",
        find: "quorumOf(entries.length);",
        replace: "quorumOf(entries.length) - 1;",
      },
    ],
    kill: { runs: ["5:1", "4:1"], rule: "S3" },
  },
  {
    name: "certificate: distinct signers",
    edits: [
      {
        file: "certificate.ts",
        find: 'if (voter <= last) return err({ code: "CERTIFICATE_SIGNER_REPEATED", voter });',
        replace: "",
      },
    ],
    kill: { runs: ["7:15", "5:15", "10:6"], rule: "commit", liar: "certificate-forger" },
  },
  {
    name: "certificate: signatures unchecked",
    edits: [
      {
        file: "certificate.ts",
        find: "if (!crypto.verify(validators.keyOf(voter), bytes, signature))",
        replace: "if (bytes.length === 0)",
      },
    ],
    kill: { runs: ["4:15", "10:6"], rule: "commit", liar: "certificate-forger" },
  },
  {
    name: "vote: signature unchecked",
    edits: [
      {
        file: "certifying.ts",
        find: "if (!core.ports.crypto.verify(set.keyOf(voter), voteBytes(domain, ballot), vote.signature)) {",
        replace: "if (voteBytes(domain, ballot).length === 0) {",
      },
    ],
    kill: { runs: ["4:15", "10:6"], rule: "commit", liar: "certificate-forger" },
  },
  {
    name: "vote: the kind is not signed",
    edits: [
      {
        file: "vote.ts",
        find: "Uint8Array.of(voteKinds[ballot.kind]),",
        replace: 'Uint8Array.of(voteKinds[ballot.kind === "finalize" ? "notarize" : ballot.kind]),',
      },
    ],
    kill: { runs: ["5:15", "4:15", "10:6"], rule: "durable votes", liar: "certificate-forger" },
  },
  {
    name: "proposal: signature unchecked",
    edits: [
      {
        file: "voting.ts",
        find: "if (!isCounted && !ports.crypto.verify(set.keyOf(voter), voteBytes(domain, ballot), signature)) {",
        replace: "if (voteBytes(domain, ballot).length === 0) {",
      },
    ],
    kill: { runs: ["10:6", "4:15"], rule: "equivocation", liar: "certificate-forger" },
  },
  {
    name: "skipped views: nullifications not asked for by a voter",
    edits: [
      {
        file: "voting.ts",
        find: "if (history.notNullified(parentView, view, 1).length > 0) {",
        replace: "if (history.notNullified(parentView, view, 1).length > 64) {",
      },
    ],
    kill: { runs: ["7:5", "10:5", "10:2"], rule: "skipped views", liar: "stale-parent-leader" },
  },
  {
    name: "skipped views: a leader builds over them",
    edits: [
      {
        file: "view-history.ts",
        find: "if (tally?.nullification === undefined) return { hole: at };",
        replace: "",
      },
    ],
    kill: { runs: ["5:2", "4:1", "10:1"], rule: "skipped views" },
  },
  {
    name: "unknown is not invalid: ancestry",
    edits: [
      {
        file: "voting.ts",
        find: 'core.wants.likely ??= core.leader;\n    return "pending";',
        replace: 'core.wants.likely ??= core.leader;\n    return "invalid";',
      },
    ],
    kill: { runs: ["7:4", "4:3", "5:3"], rule: "blame" },
  },
  {
    name: "entering a view cancels its timers",
    edits: [
      {
        file: "patience.ts",
        find: "  enter(): void {\n    this.cancel();",
        replace: "  enter(): void {",
      },
    ],
    kill: { runs: ["delayJustUnderDelta:1"], rule: "synchrony" },
  },
  {
    name: "a proposal cancels t_l",
    edits: [
      {
        file: "patience.ts",
        find: "  proposed(): void {\n    this.#proposed = true;\n    this.#leaderAt = undefined;",
        replace: "  proposed(): void {",
      },
    ],
    kill: { runs: ["delayJustUnderDelta:1"], rule: "synchrony" },
  },
  {
    name: "keep-alives carry certificates",
    edits: [
      { file: "answering.ts", find: "...(entry === undefined ? {} : { entry }),", replace: "" },
      {
        file: "answering.ts",
        find: "...(certificate === undefined ? {} : { final: certificate }),",
        replace: "",
      },
    ],
    kill: { runs: ["deafWhileOthersNullify:1", "deafWhileOthersOrder:1", "5:6"], rule: "liveness" },
  },
  {
    name: "keep-alives carry the last finalization",
    edits: [
      {
        file: "answering.ts",
        find: "...(certificate === undefined ? {} : { final: certificate }),",
        replace: "",
      },
    ],
    kill: { runs: ["deafWhileOthersNullify:1", "deafWhileOthersOrder:1"], rule: "liveness" },
  },
  {
    name: "keep-alives carry the certificate of entry",
    edits: [
      { file: "answering.ts", find: "...(entry === undefined ? {} : { entry }),", replace: "" },
    ],
    kill: { runs: ["deafWhileOthersNullify:1"], rule: "idle" },
  },
  {
    name: "own votes are resent",
    edits: [
      {
        file: "resending.ts",
        find: "for (const vote of votes.slice(0, resentVotesMax))",
        replace: "for (const vote of votes.slice(resentVotesMax))",
      },
    ],
    kill: { runs: ["ownNullifyAfterRestart:1", "firstFinalizeLost:1"], rule: "liveness" },
  },
  {
    name: "FINALIZE is resent",
    edits: [
      {
        file: "resending.ts",
        find: 'if (ballot.kind === "finalize") return tally?.finalization === undefined;',
        replace: 'if (ballot.kind === "finalize") return false;',
      },
    ],
    kill: { runs: ["firstFinalizeLost:1"], rule: "liveness" },
  },
  {
    name: "view 0 exists",
    edits: [
      {
        file: "view-history.ts",
        find: "if (view === this.#base.view) return equal(",
        replace: "if (view && view === this.#base.view) return equal(",
      },
    ],
    kill: {
      runs: [
        "bodyOnTwoDisks:1",
        "threeNotarizedAndTheLeaderGone:1",
        "twoFinalizedAndTheLeaderGone:1",
      ],
      rule: "blame",
    },
  },
  {
    name: "validator 0 exists",
    edits: [
      {
        file: "voting.ts",
        find: "return self !== undefined && !book",
        replace: "return !!self && !book",
      },
    ],
    kill: { runs: ["4:2", "4:1"], rule: "liveness" },
  },
];
