/** The named limits of every signed or transported form (WIRE.md §2). A test reaches each. */

export { textBytesMax } from "../base/field-reader.ts";
export { identifierLengthMax } from "../base/identifier.ts";

/** Bytes of one encoded reading. A P1 telegram with 60 registers has about 1,500. */
export const readingBytesMax = 8_192;
/** Registers, tags or file digests in one reading. */
export const registersPerReadingMax = 256;
export const tagsPerReadingMax = 256;
export const filesPerReadingMax = 16;
/** Readings in one bundle. */
export const readingsPerBundleMax = 4_096;
/** Bytes of one bundle's body before compression, and after. */
export const bodyBytesMax = 4 * 1_024 * 1_024;
export const bodyWireBytesMax = 1_024 * 1_024;
/** Bytes of one statement: a lane entry (C2SP tlog-tiles keeps entries below 2^16). */
export const statementBytesMax = 65_535;
/** Bytes of one MQTT message of ours; also the broker's packet limit, less 4 KiB for the topic. */
export const messageBytesMax = statementBytesMax + bodyWireBytesMax + 256;
/** Lost ranges that one gap statement names. */
export const rangesPerGapMax = 256;
/** Bytes of a receipt file, and of a trust policy. */
export const receiptBytesMax = 65_536;
export const trustPolicyBytesMax = 1_048_576;
/** Certificates between a device and a trusted one, and bytes of one certificate. */
export const chainLengthMax = 4;
export const certificateBytesMax = 8_192;
/** Siblings in a Merkle path: a tree of 2^64 leaves has 64 levels. */
export const pathLengthMax = 64;
/**
 * Bytes of one signature over a log. Today's have 64 to 512, which their keys decide; there is room for
 * ML-DSA-44.
 */
export const logSignatureBytesMax = 4_096;
/** Validators of a channel (CONSENSUS.md). */
export const validatorsMax = 64;
/** Validators of a channel with a second key: so many fit beside all else into its opening. */
export const secondKeysMax = 32;
/** Incarnations, and ranges in all, that one have or want message lists; more goes in further pages. */
export const incarnationsPerPageMax = 256;
export const rangesPerPageMax = 4_096;
/** Bytes of a page of a have: both lists full, 19 bytes a range and 90 an incarnation at most. */
export const haveBytesMax = 131_072;
/** Statements that one downlink proof covers. */
export const statementsPerProofMax = 1_024;
/** Hashes of one multiproof: every statement with a path of its own in a tree of 2^24 leaves. */
export const multiproofHashesMax = 24 * statementsPerProofMax;
/** Bytes of a certification request (PKCS#10). */
export const certificationRequestBytesMax = 4_096;
/** Bytes of a statement by which a device names its next signing key: a signature of RSA-4096 fits. */
export const rotationStatementBytesMax = 1_024;
/** Bytes of the message in a file about another signing key: a request, or an answer with two full chains. */
export const rotationFileBytesMax = 131_072;
/** Letters of a code by which a gateway refuses a request. */
export const refusalCodeLengthMax = 64;
/** Bytes of one structure of a TPM in an enrolment file: RSA-4096 fits. */
export const tpmStructureBytesMax = 2_048;
/** Characters of an enrolment file. */
export const enrolmentBytesMax = 1_048_576;
/** Rules of an approval policy: one a kind of transactions at most, with room for kinds to come. */
export const approvalRulesMax = 16;
/** Approvals that a transaction carries, one an organisation. */
export const approvalsMax = validatorsMax;
/** Bytes of an approval's statement. */
export const approvalBytesMax = 1_024;
/** Bytes of what proves an anchor in another chain. */
export const anchorProofBytesMax = 32_768;
/** Bytes of evidence in its wrapper: with room to spare below a statement. */
export const evidenceBytesMax = 49_152;
/** Bytes of an attestation result, signed. */
export const attestationResultBytesMax = 4_096;
/** Codes in a result statement. */
export const resultCodesMax = 16;
/** Bytes of a nonce (RFC 9711 §4.1). */
export const attestationNonceBytesMax = 64;
/** RFC 9711 §4.1: a nonce has at least 8 bytes. */
export const attestationNonceBytesMin = 8;
/** Streams whose heads one quote binds; PCR banks whose values stand beside it. */
export const streamHeadsMax = 256;
export const pcrBanksPerEvidenceMax = 3;
