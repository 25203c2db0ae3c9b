/** The words that a verified receipt is described with, in English and in Chinese. */

import type { DeviceClaims, GapReason } from "../wire/device-claims.ts";
import type { ResultState } from "../wire/gateway-claims.ts";
import type { CaptureTime, ClockQuality } from "../wire/reading.ts";
import type { ValidityNote } from "./certificate-chain.ts";
import type { KeyKind } from "./certificate-names.ts";
import type { Language } from "./explain-fault.ts";

/** Every argument is already harmless to print. */
/** Cosignatures with second keys: good ones, validators in all, and lines that nobody checked. */
export type MlDsaCount = { readonly have: number; readonly of: number; readonly unchecked: number };

export type Phrases = {
  readonly valid: (what: string) => string;
  readonly provisional: (what: string) => string;
  readonly kinds: Readonly<Record<Exclude<DeviceClaims["kind"], "bundle">, string>>;
  readonly bundle: (count: number) => string;
  readonly oneReading: (index: number, count: number) => string;
  readonly rejection: (device: string, code: string) => string;
  readonly result: (device: string, state: ResultState, codes: string) => string;
  readonly heldResult: (identity: string) => string;
  readonly concluded: (at: string, asked: string | undefined) => string;
  readonly of: (what: string, signer: string, channel: string) => string;
  readonly checked: (reading: boolean) => string;
  readonly checkedProvisionally: (reading: boolean) => string;
  readonly notChecked: (checkpoint: bigint | undefined) => string;
  readonly source: (stream: string, protocol: string, id: string, maker: string) => string;
  readonly sm3: string;
  readonly sm2: string;
  readonly emulated: string;
  readonly frame: (checksum: boolean, decrypted: boolean, authenticated: boolean) => string;
  readonly missing: (sequences: string, reason: GapReason) => string;
  readonly captured: (at: string, quality: CaptureTime["quality"]) => string;
  readonly notCaptured: string;
  readonly received: (at: string, clock: ClockQuality) => string;
  readonly stated: (at: string, clock: ClockQuality) => string;
  readonly receivedBetween: (from: string, to: string) => string;
  readonly notAfter: (at: string) => string;
  readonly madeAfter: (checkpoint: bigint) => string;
  readonly madeAfterUnchecked: (checkpoint: bigint) => string;
  readonly madeAfterNothing: string;
  readonly notRevoked: (checkpoint: bigint, revokedKeys: bigint) => string;
  readonly keyKinds: Readonly<Record<KeyKind | "unstated", string>>;
  readonly signingKey: (kind: string, signer: string, organisation: string) => string;
  readonly gateway: (gateway: string, organisation: string) => string;
  readonly validity: (note: Pick<ValidityNote, "state">, name: string, at: string) => string;
  readonly organisations: (have: number, all: number, names: string) => string;
  readonly mlDsa: (count: MlDsaCount, names: string) => string;
  readonly laterEpoch: (epoch: number) => string;
  readonly recovered: (at: string, size: bigint, by: number, of: number) => string;
  readonly trustPolicy: (digest: string) => string;
  readonly lastLine: string;
};

const en: Phrases = {
  valid: (what) => `VALID: ${what}`,
  provisional: (what) => `PROVISIONAL, signed by the gateway alone: ${what}`,
  kinds: {
    gap: "a gap statement",
    start: "a start statement",
    heartbeat: "a heartbeat",
    evidence: "evidence of the device's own state, which is not appraised here",
  },
  bundle: (count) => `a bundle of ${count} readings, none of them disclosed`,
  oneReading: (index, count) => `reading ${index + 1} of a bundle of ${count}`,
  rejection: (device, code) => `the refusal of a statement of ${device} (${code})`,
  result: (device, state, codes) =>
    `what the gateway concluded of the state of ${device}: ${state}${codes === "" ? "" : ` (${codes})`}`,
  heldResult: (identity) =>
    `Attestation: the device held the result ${identity}, which is not checked here`,
  concluded: (at, asked) =>
    `Concluded: ${at}, by the gateway's clock` +
    (asked === undefined ? "" : `, of evidence that it had asked for at ${asked}`),
  of: (what, signer, channel) => `${what}, signed by ${signer}, channel ${channel}`,
  checked: (reading) =>
    `Verified: ${reading ? "the reading is in the signed bundle, " : ""}the signature and the ` +
    "certificates of the signer, its place in the gateway's log, that log's place in the " +
    "channel's log, the validators' cosignatures, and that the key was not revoked.",
  checkedProvisionally: (reading) =>
    `Verified: ${reading ? "the reading is in the signed bundle, " : ""}the signature and the ` +
    "certificates of the signer, its place in the gateway's log, and the gateway's signature.",
  notChecked: (checkpoint) =>
    "Not verified: what software the device ran (no attestation)" +
    (checkpoint === undefined
      ? "; time and order, which no validator has sealed; revocation."
      : `; whether the key was revoked after checkpoint ${checkpoint}.`),
  source: (stream, protocol, id, maker) =>
    `Source: ${id === "" ? "without identity" : id}${maker === "" ? "" : ` (maker ${maker})`}, ` +
    `stream ${stream}, protocol ${protocol}`,
  emulated: "EMULATED SOURCE: its operator declares it an emulator; no real meter or tag was read.",
  frame: (checksum, decrypted, authenticated) =>
    `Frame: ${checksum ? "checksum good" : "without checksum"}` +
    `${decrypted ? ", decrypted" : ""}${authenticated ? ", authenticated" : ""}`,
  missing: (sequences, reason) => `Will not come: sequences ${sequences} (${reason})`,
  captured: (at, quality) => `Captured: ${at}, as the device claims (quality: ${quality})`,
  notCaptured: "Captured: the device states no time of its own",
  received: (at, clock) => `Received: ${at}, by the agent (clock: ${clock})`,
  stated: (at, clock) => `Stated: ${at}, by the agent (clock: ${clock})`,
  receivedBetween: (from, to) => `Received: ${from} to ${to}, by the agent`,
  notAfter: (at) => `Existed no later than: ${at}, the cosignature time`,
  madeAfter: (checkpoint) => `Made after: checkpoint ${checkpoint}`,
  madeAfterUnchecked: (checkpoint) => `Made after: checkpoint ${checkpoint}, as the device claims`,
  madeAfterNothing: "Made after: the statement names no checkpoint",
  notRevoked: (checkpoint, revokedKeys) =>
    `Key: not revoked as of checkpoint ${checkpoint} (${revokedKeys} keys revoked in all)`,
  keyKinds: {
    file: "SOFTWARE KEY IN A FILE, which can be copied",
    pkcs11: "key in a PKCS#11 token",
    tpm: "key in a TPM 2.0",
    unstated: "the certificate does not state where the key lives",
  },
  signingKey: (kind, signer, organisation) =>
    `Key kind: ${kind} (${signer}, certified by ${organisation})`,
  gateway: (gateway, organisation) => `Gateway: ${gateway}, certified by ${organisation}`,
  validity: ({ state }, name, at) =>
    state === "expired"
      ? `Note: the certificate of ${name} had expired at ${at}.`
      : `Note: the certificate of ${name} was not valid before ${at}.`,
  organisations: (have, all, names) =>
    `Cosigned by ${have} of ${all} organisations${names === "" ? "" : `: ${names}`}`,
  mlDsa: ({ have, of, unchecked }, names) =>
    `Also cosigned with ML-DSA-44 by ${have} of ${of} validators${names === "" ? "" : `: ${names}`}` +
    (unchecked === 0 ? "" : `; ${unchecked} not checked, since this program cannot`),
  recovered: (at, size, by, of) =>
    `The channel had lost its quorum for ever and was RECOVERED at ${at} from its checkpoint of size ${size}, ` +
    `by ${by} of ${of} organisations: these validators are those that the recovery names.`,
  laterEpoch: (epoch) =>
    `Validators: those of epoch ${epoch}, appointed step by step from the trust policy's on`,
  trustPolicy: (digest) => `Trust policy: ${digest} (compare it out of band)`,
  sm2: "Signed with SM2 and SM3 (GB/T 32918.2-2016), under the default user ID.",
  sm3: "Hashed with SM3 inside the bundle (GB/T 32905-2016); with SHA-256 everywhere else.",
  lastLine: "It proves that this host reported it; the meter or tag itself did not sign.",
};

const clocksZh: Readonly<Record<ClockQuality, string>> = {
  unsynchronised: "未同步",
  rtc: "实时钟",
  ntp: "NTP 校时",
  gnss: "卫星校时",
};
const qualitiesZh: Readonly<Record<CaptureTime["quality"], string>> = {
  unknown: "未知",
  valid: "有效",
  doubtful: "可疑",
};
const gapReasonsZh: Readonly<Record<GapReason, string>> = {
  "shed-oldest": "空间不足，舍弃最旧的",
  thinned: "空间不足，抽稀",
  stopped: "空间不足，停止记录",
  damaged: "数据损坏",
};

const resultStatesZh: Readonly<Record<ResultState, string>> = {
  pending: "尚无证据",
  affirming: "认可",
  warning: "警告",
  contraindicated: "不认可",
  refused: "证据不可信",
  stale: "证据过旧",
};

const zh: Phrases = {
  valid: (what) => `有效：${what}`,
  provisional: (what) => `临时回执，仅由网关签名：${what}`,
  kinds: {
    gap: "缺口声明",
    start: "启动声明",
    heartbeat: "心跳声明",
    evidence: "设备自身状态的证据，此处未作评估",
  },
  bundle: (count) => `含 ${count} 条读数的批次，未披露其中任何一条`,
  oneReading: (index, count) => `${count} 条读数的批次中的第 ${index + 1} 条`,
  rejection: (device, code) => `对 ${device} 某条声明的拒收（${code}）`,
  result: (device, state, codes) =>
    `网关对 ${device} 状态的结论：${resultStatesZh[state]}${codes === "" ? "" : `（${codes}）`}`,
  heldResult: (identity) => `远程证明：设备当时持有结果 ${identity}，此处未作核对`,
  concluded: (at, asked) =>
    `结论时间：${at}（网关时钟）${asked === undefined ? "" : `，证据由网关于 ${asked} 索取`}`,
  of: (what, signer, channel) => `${what}，由 ${signer} 签名，通道 ${channel}`,
  checked: (reading) =>
    `已验证：${reading ? "读数属于已签名的批次，" : ""}签名者的签名与证书，声明在网关日志中的位置，` +
    "网关日志在通道日志中的位置，验证节点的联署，以及密钥未被吊销。",
  checkedProvisionally: (reading) =>
    `已验证：${reading ? "读数属于已签名的批次，" : ""}签名者的签名与证书，声明在网关日志中的位置，` +
    "以及网关的签名。",
  notChecked: (checkpoint) =>
    "未验证：设备运行的软件（无远程证明）" +
    (checkpoint === undefined
      ? "；时间与次序（没有验证节点封存）；吊销情况。"
      : `；检查点 ${checkpoint} 之后密钥是否被吊销。`),
  source: (stream, protocol, id, maker) =>
    `来源：${id === "" ? "无标识" : id}${maker === "" ? "" : `（厂商 ${maker}）`}，` +
    `流 ${stream}，协议 ${protocol}`,
  emulated: "模拟来源：运营者声明其为模拟器，没有读取真实的表计或标签。",
  frame: (checksum, decrypted, authenticated) =>
    `数据帧：${checksum ? "校验和正确" : "无校验和"}` +
    `${decrypted ? "，已解密" : ""}${authenticated ? "，已鉴别" : ""}`,
  missing: (sequences, reason) => `不会再有：序号 ${sequences}（${gapReasonsZh[reason]}）`,
  captured: (at, quality) => `采集时间：${at}，设备自称（质量：${qualitiesZh[quality]}）`,
  notCaptured: "采集时间：设备自身未给出时间",
  received: (at, clock) => `接收时间：${at}，由采集代理记录（时钟：${clocksZh[clock]}）`,
  stated: (at, clock) => `声明时间：${at}，由采集代理记录（时钟：${clocksZh[clock]}）`,
  receivedBetween: (from, to) => `接收时间：${from} 至 ${to}，由采集代理记录`,
  notAfter: (at) => `最迟存在于：${at}（联署时间）`,
  madeAfter: (checkpoint) => `产生于此后：检查点 ${checkpoint}`,
  madeAfterUnchecked: (checkpoint) => `产生于此后：检查点 ${checkpoint}（设备自称）`,
  madeAfterNothing: "产生于此后：声明没有指出检查点",
  notRevoked: (checkpoint, revokedKeys) =>
    `密钥：截至检查点 ${checkpoint} 未被吊销（共有 ${revokedKeys} 个密钥被吊销）`,
  keyKinds: {
    file: "文件中的软件密钥，可被复制",
    pkcs11: "PKCS#11 令牌中的密钥",
    tpm: "TPM 2.0 中的密钥",
    unstated: "证书没有说明密钥存放于何处",
  },
  signingKey: (kind, signer, organisation) =>
    `密钥种类：${kind}（${signer}，由 ${organisation} 认证）`,
  gateway: (gateway, organisation) => `网关：${gateway}，由 ${organisation} 认证`,
  validity: ({ state }, name, at) =>
    state === "expired"
      ? `注意：${name} 的证书已于 ${at} 过期。`
      : `注意：${name} 的证书自 ${at} 起才有效。`,
  organisations: (have, all, names) =>
    `${all} 个组织中有 ${have} 个联署${names === "" ? "" : `：${names}`}`,
  mlDsa: ({ have, of, unchecked }, names) =>
    `${of} 个验证节点中有 ${have} 个另以 ML-DSA-44 联署${names === "" ? "" : `：${names}`}` +
    (unchecked === 0 ? "" : `；另有 ${unchecked} 个未验证，本程序无此能力`),
  recovered: (at, size, by, of) =>
    `通道曾永久失去法定数目，由 ${of} 个组织中的 ${by} 个于 ${at} 自大小为 ${size} 的检查点恢复：` +
    "以上验证节点由该次恢复指定。",
  laterEpoch: (epoch) => `验证节点：第 ${epoch} 任，由信任策略中的验证节点逐任指定`,
  trustPolicy: (digest) => `信任策略：${digest}（请经其他途径核对）`,
  sm2: "签名算法为 SM2 与 SM3（GB/T 32918.2-2016），用户标识取默认值。",
  sm3: "批次内部以 SM3（GB/T 32905-2016）计算杂凑值，其余各处用 SHA-256。",
  lastLine: "本回执证明是这台主机上报了它；表计或标签本身并未签名。",
};

export const phrases: Readonly<Record<Language, Phrases>> = { en, zh };
