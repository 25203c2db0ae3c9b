/** Says in plain lines which validators a channel had, and who appointed them. */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import { formatTime } from "./civil-time.ts";
import type { Epoch, EpochChain } from "./epoch-chain.ts";
import type { Language } from "./explain-fault.ts";
import type { JsonValue } from "./receipt-view.ts";
import { toJson } from "./receipt-view.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { groupedHex, trustPolicyDigest } from "./trust-policy.ts";

type EpochPhrases = {
  readonly valid: (channel: string, epochs: number) => string;
  /** `to` is absent for the last epoch that is known. */
  readonly epoch: (epoch: number, from: bigint, to: bigint | undefined) => string;
  readonly members: (quorum: number, members: number, organisations: number) => string;
  readonly member: (name: string, organisation: string) => string;
  readonly appointed: (height: number, time: string) => string;
  readonly votes: (by: number, of: number) => string;
  readonly ready: (by: number, of: number) => string;
  readonly trustPolicy: (digest: string) => string;
  readonly lastLine: string;
};

const en: EpochPhrases = {
  valid: (channel, epochs) =>
    epochs === 1
      ? `VALID: channel ${channel} has had one set of validators, the trust policy's`
      : `VALID: channel ${channel} has had ${epochs} sets of validators, each appointed by the one before`,
  epoch: (epoch, from, to) =>
    `Epoch ${epoch}, ${epoch === 0 ? "by the trust policy" : `from size ${from} of the log`}` +
    (to === undefined ? ", the last one known here" : `: seals count up to size ${to}`),
  members: (quorum, members, organisations) =>
    `  ${quorum} of ${members} validators seal, of ${organisations} ` +
    `${organisations === 1 ? "organisation" : "organisations"}:`,
  member: (name, organisation) => `  - ${name} (${organisation})`,
  appointed: (height, time) => `  Appointed by block ${height}, at ${time} by its leader's clock`,
  votes: (by, of) => `  Made final by ${by} of ${of} validators of the epoch before`,
  ready: (by, of) => `  Said to be ready: ${by} of ${of} new validators`,
  trustPolicy: (digest) => `Trust policy: ${digest} (compare it out of band)`,
  lastLine: "Not verified: whether the validators changed again after this file was made.",
};

const zh: EpochPhrases = {
  valid: (channel, epochs) =>
    epochs === 1
      ? `有效：通道 ${channel} 只有过一任验证节点，即信任策略所列`
      : `有效：通道 ${channel} 有过 ${epochs} 任验证节点，每一任由上一任指定`,
  epoch: (epoch, from, to) =>
    `第 ${epoch} 任，${epoch === 0 ? "由信任策略列出" : `自日志大小 ${from} 起`}` +
    (to === undefined ? "，是此处所知的最后一任" : `：封印有效至大小 ${to}`),
  members: (quorum, members, organisations) =>
    `  ${members} 个验证节点中由 ${quorum} 个封存，属于 ${organisations} 个组织：`,
  member: (name, organisation) => `  - ${name}（${organisation}）`,
  appointed: (height, time) => `  由区块 ${height} 指定，主导者时钟为 ${time}`,
  votes: (by, of) => `  上一任 ${of} 个验证节点中有 ${by} 个将其定为最终`,
  ready: (by, of) => `  ${of} 个新任验证节点中有 ${by} 个表示已就绪`,
  trustPolicy: (digest) => `信任策略：${digest}（请经其他途径核对）`,
  lastLine: "未验证：本文件生成之后验证节点是否又有更换。",
};

const phrases: Readonly<Record<Language, EpochPhrases>> = { en, zh };

/** The lines: each epoch with its members, and last what such a file cannot tell. */
export function describeEpochs(
  sha256: (bytes: Uint8Array) => Digest,
  policy: TrustPolicy,
  { chain, language }: { readonly chain: EpochChain; readonly language: Language },
): readonly string[] {
  const say = phrases[language];
  return [
    say.valid(`${policy.consortium}/${policy.channel}`, chain.epochs.length),
    ...chain.epochs.flatMap((epoch) => epochLines(say, epoch)),
    say.trustPolicy(groupedHex(trustPolicyDigest(sha256, policy))),
    say.lastLine,
  ];
}

function epochLines(say: EpochPhrases, epoch: Epoch): readonly string[] {
  const { appointed, validators, organisations } = epoch;
  return [
    say.epoch(epoch.epoch, epoch.from, epoch.until),
    say.members(epoch.quorum, validators.length, organisations.length),
    ...validators.map(({ name, organisation }) => say.member(name, organisation)),
    ...(appointed === undefined
      ? []
      : [
          say.appointed(appointed.height, formatTime(appointed.time)),
          say.votes(appointed.finalizedBy, appointed.finalizedOf),
          say.ready(appointed.approvedBy, validators.length),
        ]),
  ];
}

/** The object that `--json` prints. */
export function viewEpochs(chain: EpochChain): JsonValue {
  const epochs = chain.epochs.map(({ validators, ...epoch }) => ({
    ...epoch,
    validators: validators.map(({ publicKey, ...validator }) => ({
      ...validator,
      publicKey: toHex(publicKey),
    })),
  }));
  return toJson({ valid: true, channelId: chain.channelId, epochs });
}
