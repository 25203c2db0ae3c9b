/** Says in plain lines which validators a channel had, and who appointed them. */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import { formatTime } from "./civil-time.ts";
import type { Epoch, EpochChain } from "./epoch-chain.ts";
import type { Language } from "./explain-fault.ts";
import type { JsonValue } from "./receipt-view.ts";
import { toJson } from "./receipt-view.ts";
import type { Recovered } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { groupedHex, trustPolicyDigest } from "./trust-policy.ts";

type EpochPhrases = {
  readonly valid: (channel: string, epochs: number, isRecovered: boolean) => string;
  /** `to` is absent for the last epoch that is known. */
  readonly epoch: (epoch: number, from: bigint, to: bigint | undefined) => string;
  readonly members: (quorum: number, members: number, organisations: number) => string;
  readonly member: (name: string, organisation: string) => string;
  readonly appointed: (height: number, time: string) => string;
  readonly votes: (by: number, of: number) => string;
  readonly ready: (by: number, of: number) => string;
  readonly recovered: (count: number) => string;
  /** Of a channel that begins here, and of the one that it took the place of. */
  readonly begins: (time: string, size: bigint) => string;
  readonly signed: (by: number, of: number, needed: number, names: string) => string;
  readonly trustPolicy: (digest: string) => string;
  readonly lastLine: string;
};

const en: EpochPhrases = {
  valid: (channel, epochs, isRecovered) =>
    epochs === 1
      ? `VALID: channel ${channel} has had one set of validators, the trust policy's`
      : `VALID: channel ${channel} has had ${epochs} sets of validators, each appointed by the one before` +
        (isRecovered ? " or by a recovery" : ""),
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
  recovered: (count) =>
    `RECOVERED ${count === 1 ? "once" : `${count} times`}: a quorum of the channel's validators was lost for ever`,
  begins: (time, size) =>
    `Recovered at ${time} by its signer's clock, from the checkpoint of size ${size}: what was sealed past that ` +
    "under the old validators does not count",
  signed: (by, of, needed, names) =>
    `  Signed by the CA keys of ${by} of ${of} organisations (${needed} needed): ${names}`,
  trustPolicy: (digest) => `Trust policy: ${digest} (compare it out of band)`,
  lastLine: "Not verified: whether the validators changed again after this file was made.",
};

/** What only another recovery could show. */
const noOther: Readonly<Record<Language, string>> = {
  en: "Not verified: whether the same organisations signed another recovery too; compare files of several members.",
  zh: "未验证：同一批组织是否另签过一次恢复；请比较多个成员的任期文件。",
};

const zh: EpochPhrases = {
  valid: (channel, epochs, isRecovered) =>
    epochs === 1
      ? `有效：通道 ${channel} 只有过一任验证节点，即信任策略所列`
      : `有效：通道 ${channel} 有过 ${epochs} 任验证节点，每一任由上一任${isRecovered ? "或一次恢复" : ""}指定`,
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
  recovered: (count) => `曾恢复 ${count} 次：通道曾永久失去法定数目的验证节点`,
  begins: (time, size) =>
    `按签署者时钟于 ${time} 恢复，自大小为 ${size} 的检查点继续：原验证节点此后的封印无效`,
  signed: (by, of, needed, names) =>
    `  由 ${of} 个组织中的 ${by} 个以根证书密钥签署（需 ${needed} 个）：${names}`,
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
    say.valid(
      `${policy.consortium}/${policy.channel}`,
      chain.epochs.length,
      chain.recoveries.length > 0,
    ),
    ...(chain.recoveries.length === 0 ? [] : [say.recovered(chain.recoveries.length)]),
    ...chain.epochs.flatMap((epoch) => epochLines(say, epoch)),
    say.trustPolicy(groupedHex(trustPolicyDigest(sha256, policy))),
    ...(chain.recoveries.length === 0 ? [] : [noOther[language]]),
    say.lastLine,
  ];
}

function epochLines(say: EpochPhrases, epoch: Epoch): readonly string[] {
  const { appointed, validators, organisations, recovered } = epoch;
  return [
    ...(recovered === undefined || appointed !== undefined ? [] : recoveredLines(say, recovered)),
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

function recoveredLines(say: EpochPhrases, recovered: Recovered): readonly string[] {
  const { time, size, signedBy, ofOrganisations, needed } = recovered;
  return [
    say.begins(formatTime(time), size),
    say.signed(signedBy.length, ofOrganisations.length, needed, signedBy.join(", ")),
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
  const recoveries = chain.epochs.flatMap(({ recovered, appointed }) =>
    recovered === undefined || appointed !== undefined ? [] : [recovered],
  );
  return toJson({ valid: true, channelId: chain.channelId, epochs, recoveries });
}
