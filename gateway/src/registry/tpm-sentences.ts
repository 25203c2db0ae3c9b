/** Why a key in a TPM is not believed, in words for whoever asks or approves. */

export const tpmSentences: Readonly<Record<string, string>> = {
  TPM_CLAIM_MISSING:
    "The device says that its key is in a TPM, and shows nothing for it: enrol it with a newer agent.",
  TPM_CLAIM_MALFORMED: "What the device shows of its TPM cannot be read: make the request again.",
  EK_CERTIFICATE_MALFORMED: "The certificate of the TPM's maker cannot be read.",
  EK_CERTIFICATE_OTHER_USE: "The maker's certificate is none of an endorsement key.",
  EK_KEY_MISMATCH: "The maker's certificate is for another TPM than the one that asks.",
  EK_MAKER_UNKNOWN:
    "No maker that this site trusts vouches for the TPM: put the maker's root certificate into a file and name it in gateway.toml, [enrolment] tpm_roots.",
  EK_CHAIN_TOO_LONG: "More certificates came with the TPM's than any maker has.",
  EK_NOT_RESTRICTED: "The endorsement key could do more than a TPM's: this is no genuine TPM.",
  EK_UNSUPPORTED:
    "The endorsement key is neither RSA-2048 nor P-256 or P-384, as makers have them.",
  AK_NOT_RESTRICTED:
    "The attestation key would sign what software gives it: the request was not made by this agent.",
  CERTIFY_SIGNATURE_WRONG: "The attestation key has not signed that the TPM holds the signing key.",
  CERTIFY_NOT_BOUND: "The TPM has certified its key for another request than this one.",
  CERTIFY_OTHER_KEY: "The TPM has certified another key than the one that asks.",
  KEY_NOT_BOUND_TO_TPM: "The signing key was made outside of the TPM, or can leave it.",
};
