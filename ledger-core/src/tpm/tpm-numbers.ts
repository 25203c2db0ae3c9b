/** Numbers of the TPM 2.0 Library, Part 2: algorithms, curves, attributes, structure tags, handles. */

/** TPM_ALG_ID (§6.3), those that Tamga meets. */
export const tpmAlgorithms = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  sm3: 0x0012,
  sm4: 0x0013,
  rsaSsa: 0x0014,
  rsaEs: 0x0015,
  rsaPss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  sm2: 0x001b,
  ecc: 0x0023,
  symmetricCipher: 0x0025,
  cfb: 0x0043,
} as const;

/** TPM_ECC_CURVE (§6.4). */
export const tpmCurves = { p256: 0x0003, p384: 0x0004, sm2: 0x0020 } as const;

/** TPMA_OBJECT (§8.3). */
export const tpmAttributes = {
  fixedTpm: 0x0000_0002,
  stClear: 0x0000_0004,
  fixedParent: 0x0000_0010,
  sensitiveDataOrigin: 0x0000_0020,
  userWithAuth: 0x0000_0040,
  adminWithPolicy: 0x0000_0080,
  /** Failed authorizations of the object do not count towards the dictionary-attack lockout. */
  noDa: 0x0000_0400,
  encryptedDuplication: 0x0000_0800,
  restricted: 0x0001_0000,
  decrypt: 0x0002_0000,
  sign: 0x0004_0000,
} as const;

/** TPM_ST (§6.9). */
export const tpmTags = {
  noSessions: 0x8001,
  sessions: 0x8002,
  attestCertify: 0x8017,
  attestQuote: 0x8018,
  creation: 0x8021,
  hashCheck: 0x8024,
} as const;

/** TPM_GENERATED_VALUE (§6.2): begins what only a TPM makes. */
export const tpmGenerated = 0xff54_4347;

/** TPM_RH and TPM_RS (§7.4). */
export const tpmHandles = {
  owner: 0x4000_0001,
  null: 0x4000_0007,
  password: 0x4000_0009,
  lockout: 0x4000_000a,
  endorsement: 0x4000_000b,
  platform: 0x4000_000c,
} as const;

/** Digest lengths in bytes, of the hash algorithms that Tamga meets. */
export const tpmDigestLengths: ReadonlyMap<number, number> = new Map([
  [tpmAlgorithms.sha1, 20],
  [tpmAlgorithms.sha256, 32],
  [tpmAlgorithms.sha384, 48],
  [tpmAlgorithms.sha512, 64],
  [tpmAlgorithms.sm3, 32],
]);

/** Bytes of the largest structures that are read: an RSA-4096 modulus, and what a sized buffer may hold. */
export const tpmModulusBytesMax = 512;
export const tpmPublicBytesMax = 1_024;
export const tpmAttestBytesMax = 2_048;
export const tpmSignatureBytesMax = 1_024;
/** Digest of SHA-512 with its algorithm in front: the longest TPM2B_NAME. */
export const tpmNameBytesMax = 66;
/** TPM2B_DATA: a digest with its algorithm, at most. */
export const tpmExtraDataBytesMax = 66;
