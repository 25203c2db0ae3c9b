/** What each fault means, in English. */

import type { FaultSentences } from "./explain-fault.ts";

export const sentencesEn: FaultSentences = {
  // Forms.
  CBOR_TOO_LONG: "The data is longer than its limit.",
  CBOR_TOO_DEEP: "The data is nested deeper than its limit.",
  CBOR_MALFORMED: "The data is not well-formed CBOR, or is cut off.",
  CBOR_NOT_DETERMINISTIC: "The data is not in its one deterministic form.",
  EVIDENCE_TYPE_UNKNOWN:
    "What stands in a statement of evidence is no evidence of a form that this program knows.",
  EVIDENCE_VERSION_UNKNOWN:
    "The evidence is of a newer version than this program knows: take a newer one.",
  EVIDENCE_OTHER_STREAM: "The evidence does not stand in the stream that is for evidence.",
  EVIDENCE_OTHER_DEVICE: "The evidence is of another device than the one that stated it.",
  EVIDENCE_OTHER_BOOT: "The evidence is of another boot than the statement that carries it.",
  FIELD_MISSING: "A field is missing.",
  FIELD_BAD: "A field has a value that it cannot have.",
  FIELD_UNKNOWN: "There is a field that this version does not know.",
  FIELD_TOO_LONG: "A field is longer than its limit.",
  COSE_NOT_SIGN1: "The statement is not a COSE_Sign1.",
  COSE_UNPROTECTED_NOT_EMPTY: "The statement has an unprotected header, which nobody signed.",
  STATEMENT_TYPE_UNKNOWN: "The statement is of a type or version that this verifier does not know.",
  STATEMENT_ALGORITHM_UNKNOWN: "The statement is signed with an algorithm that is not accepted.",
  STATEMENT_SIGNATURE_LENGTH: "The signature does not have the length of its algorithm.",
  STATEMENT_ISSUER_BAD: "The issuer of the statement is not a channel and a name.",
  SIGNATURE_KEY_MISMATCH: "The statement names another key than the certificate's.",
  SIGNATURE_WRONG: "The key did not make this signature over these bytes.",
  RECEIPT_VERSION_UNKNOWN: "The receipt is of a version that this verifier does not know.",

  // The statement and its reading.
  RECEIPT_NOT_FINAL: "No validator has sealed this receipt: the gateway alone vouches for it.",
  RECEIPT_STATEMENT_MALFORMED: "The statement in the receipt is malformed.",
  RECEIPT_STATEMENT_TYPE_WRONG: "A receipt cannot be about a statement of this type.",
  RECEIPT_OTHER_CHANNEL: "The statement belongs to another channel than the trust policy's.",
  RECEIPT_CHAIN_BAD:
    "The signer's certificates do not lead to an organisation of the trust policy.",
  RECEIPT_NAME_MISMATCH: "The certificate is not for the signer that the statement names.",
  RECEIPT_SIGNATURE_WRONG: "The statement's signature is wrong.",
  RECEIPT_READING_UNEXPECTED: "There is a reading beside a statement that carries none.",
  RECEIPT_READING_NOT_IN_BUNDLE: "The reading is not one of those that the device signed.",
  RECEIPT_READING_MALFORMED: "The device signed a reading that cannot be read.",

  // The lane.
  RECEIPT_LANE_PATH_MALFORMED: "The proof of the statement's place in the lane has a wrong form.",
  RECEIPT_NOT_IN_LANE: "The statement is not in the gateway's lane at this place.",
  RECEIPT_OTHER_LANE: "The receipt names another lane, or another size of it, than was sealed.",
  LANE_SIGNATURE_WRONG: "The gateway did not sign this root of its lane.",
  GATEWAY_CHAIN_BAD:
    "The gateway's certificates do not lead to an organisation of the trust policy.",
  GATEWAY_NAME_MISMATCH: "The certificate is not for the gateway that the lane head names.",
  LANE_HEAD_MALFORMED: "The lane-head statement is malformed.",
  LANE_HEAD_TYPE_WRONG: "The statement in the place of the lane head is of another type.",
  LANE_HEAD_OTHER_CHANNEL: "The lane head belongs to another channel than the trust policy's.",
  LANE_HEAD_SIGNATURE_WRONG: "The gateway's signature on the lane head is wrong.",
  LANE_HEAD_PATH_MALFORMED:
    "The proof of the lane head's place in the channel's log has a wrong form.",
  LOG_SIGNATURE_LENGTH: "The signature does not have the length of its algorithm.",
  LOG_SIGNATURE_WRONG: "The key did not sign this root.",
  INCLUSION_SIZE_OUT_OF_RANGE: "The tree size is out of range.",
  INCLUSION_INDEX_OUT_OF_RANGE: "The leaf index is not less than the tree size.",
  INCLUSION_PATH_TOO_SHORT: "The path has fewer hashes than index and size ask for.",
  INCLUSION_PATH_TOO_LONG: "The path has more hashes than index and size ask for.",
  INCLUSION_ROOT_MISMATCH: "The path leads to another root.",

  // The seal.
  SEAL_NOTE_MALFORMED: "The checkpoint's note is malformed.",
  SEAL_OTHER_LOG: "The checkpoint is of another log than the trust policy's channel.",
  SEAL_SIGNER_UNKNOWN:
    "There is a seal that no validator of the policy made; if they have changed since, an epochs file is needed.",
  SEAL_SIGNER_IN_NO_EPOCH:
    "There are seals that no one set of the known validators made; a newer epochs file may be needed.",
  SEAL_AFTER_EPOCH:
    "The validators that sealed this had handed over before the log had this size: their seals do not count.",
  SEAL_SIGNER_REPEATED: "A validator's seal stands there twice.",
  SEAL_SIGNATURE_LENGTH: "A validator's signature does not have the length of its algorithm.",
  SEAL_COSIGNATURE_WRONG:
    "A validator's cosignature is not over the checkpoint that is shown, or that the lane head leads to.",
  SEAL_QUORUM_MISSING: "Fewer validators cosigned the checkpoint than the trust policy asks for.",
  SEAL_ROOT_SIGNATURE_WRONG: "A validator's signature over the channel's root is wrong.",
  SEAL_ML_DSA_WRONG: "A validator's ML-DSA-44 cosignature is not over this checkpoint.",
  SEAL_ML_DSA_MISSING:
    "The trust policy asks for ML-DSA-44 cosignatures of a quorum; give the checkpoint's note that has them.",
  SEAL_ML_DSA_UNAVAILABLE:
    "This program cannot check ML-DSA-44 cosignatures: use tamga-verify with Node 24 or newer.",
  RECEIPT_OTHER_CHECKPOINT: "The checkpoint given is not the one that the receipt rests on.",
  NOTE_TOO_LONG: "The note is longer than its limit.",
  NOTE_NOT_UTF8: "The note is not UTF-8 text.",
  NOTE_CONTROL_CHARACTER: "The note has a control character.",
  NOTE_UNSIGNED: "The note has no signature lines.",
  NOTE_TOO_MANY_SIGNATURES: "The note has more signature lines than its limit.",
  NOTE_SIGNATURE_MALFORMED: "A signature line of the note is malformed.",
  CHECKPOINT_TOO_LONG: "The checkpoint is longer than its limit.",
  CHECKPOINT_MALFORMED: "The note's text is not a checkpoint.",
  CHECKPOINT_BAD_ORIGIN: "The checkpoint's origin is not a log's name.",
  CHECKPOINT_BAD_SIZE: "The checkpoint's size is not a tree size.",
  CHECKPOINT_BAD_ROOT: "The checkpoint's root is not a hash.",
  CHECKPOINT_TOO_MANY_EXTENSIONS: "The checkpoint has more extension lines than its limit.",
  COSIGNATURE_MISSING: "There is no line of this cosigner.",
  COSIGNATURE_REPEATED: "The cosigner has two lines.",
  COSIGNATURE_BAD_LENGTH: "The cosignature does not have the length of a time and a signature.",
  COSIGNATURE_TIME_OUT_OF_RANGE: "The cosignature's time is after the year 9999.",
  COSIGNATURE_INVALID: "The cosigner did not sign this checkpoint at this time.",

  // Certificates.
  CERT_TOO_LONG: "A certificate is longer than its limit.",
  CERT_MALFORMED: "A certificate is not well-formed DER.",
  CERT_VERSION_UNSUPPORTED: "A certificate is not of X.509 version 3.",
  CERT_SIGNATURE_ALGORITHM_UNSUPPORTED:
    "A certificate is signed with an algorithm that is not accepted.",
  CERT_KEY_UNSUPPORTED: "A certificate holds a kind of key that is not accepted.",
  CERT_EXTENSION_UNKNOWN:
    "A certificate has a critical extension that this verifier does not know.",
  CHAIN_EMPTY: "There is no certificate.",
  CHAIN_TOO_LONG: "There are more certificates than the limit.",
  CHAIN_LEAF_IS_CA: "The signer's certificate is a CA's.",
  CHAIN_KEY_USAGE_WRONG: "The signer's certificate is not for digital signatures.",
  CHAIN_NAME_MISMATCH: "A certificate's issuer is not the subject of the next one.",
  CHAIN_ISSUER_NOT_CA: "A certificate was issued by one that may not issue any.",
  CHAIN_PATH_TOO_LONG: "A CA stands higher above the signer than it may.",
  CHAIN_SIGNATURE_WRONG: "The issuer did not sign a certificate.",
  CHAIN_NOT_TRUSTED: "No organisation of the trust policy issued the last certificate.",

  // Revocation and history.
  REVOCATION_LIST_WRONG:
    "The list of revoked keys is said to be empty, and its root says otherwise.",
  REVOCATION_NEIGHBOUR_MISSING: "Nothing shows whether the signer's key was revoked.",
  REVOCATION_NEIGHBOUR_UNEXPECTED:
    "The list of revoked keys is empty, and neighbours are named in it.",
  REVOCATION_NOT_IN_LIST: "A key said to be revoked is not in the list of revoked keys.",
  REVOCATION_NOT_ADJACENT: "The neighbours do not stand side by side in the list of revoked keys.",
  REVOCATION_OUT_OF_ORDER: "The signer's key does not belong between the neighbours named.",
  REVOCATION_KEY_REVOKED: "The signer's key had been revoked when the checkpoint was sealed.",
  RECEIPT_CONSISTENCY_MISSING:
    "Nothing shows that the log grew out of the checkpoint that the device named.",
  RECEIPT_CONSISTENCY_UNEXPECTED:
    "There is a proof from a checkpoint, and the statement names none.",
  RECEIPT_CONSISTENCY_WRONG: "The log did not grow out of the checkpoint that the device named.",
  HEAD_CONSISTENCY_MISSING:
    "Nothing shows that the log grew out of the checkpoint verified before.",
  HEAD_CONSISTENCY_OTHER_SIZE:
    "The proof starts from another checkpoint than the one verified before.",
  HEAD_CONSISTENCY_WRONG: "The log did not grow out of the checkpoint verified before.",
  CONSISTENCY_SIZE_OUT_OF_RANGE: "A tree size is out of range.",
  CONSISTENCY_SIZE_DECREASED: "The later tree is smaller than the earlier one.",
  CONSISTENCY_PATH_TOO_SHORT: "The path has fewer hashes than the two sizes ask for.",
  CONSISTENCY_PATH_TOO_LONG: "The path has more hashes than the two sizes ask for.",
  CONSISTENCY_ROOT1_MISMATCH: "The path leads to another root of the earlier tree.",
  CONSISTENCY_ROOT2_MISMATCH: "The path leads to another root of the later tree.",

  // What comes down to a device.
  PROOF_NOT_IN_LANE: "The statements are not in the lane at these places.",
  PROOF_MALFORMED: "The proof for several statements has a wrong form.",
  PROOF_OTHER_HEAD: "The proof is for another lane head than the one verified.",
  PROOF_NOT_SIGNED: "The provisional proof is not signed.",
  PROOF_OTHER_GATEWAY: "The provisional proof is for the lane of another gateway.",
  PROOF_SIGNATURE_WRONG: "The gateway did not sign the provisional proof's root.",
  MULTIPROOF_EMPTY: "The proof is for no leaf.",
  MULTIPROOF_TOO_MANY_LEAVES: "The proof is for more leaves than its limit.",
  MULTIPROOF_SIZE_OUT_OF_RANGE: "The tree size is out of range.",
  MULTIPROOF_INDEX_OUT_OF_RANGE: "A leaf index is not less than the tree size.",
  MULTIPROOF_NOT_ASCENDING: "Two leaves of the proof have one index, or are out of order.",
  MULTIPROOF_LEAVES_MISCOUNTED: "The proof is for another number of leaves.",
  MULTIPROOF_HASHES_MISSING: "The proof has too few hashes.",
  MULTIPROOF_HASHES_EXCESS: "The proof has too many hashes.",
  REJECTION_MALFORMED: "The gateway's rejection is malformed.",
  REJECTION_NOT_BY_GATEWAY: "The rejection is not by this gateway, for this channel.",
  REJECTION_SIGNATURE_WRONG: "The gateway's signature on the rejection is wrong.",
  RESULT_MALFORMED: "The gateway's attestation result is malformed.",
  RESULT_NOT_BY_GATEWAY: "The attestation result is not by this gateway, for this channel.",
  RESULT_STATEMENT_SIGNATURE_WRONG:
    "The gateway's signature around the attestation result is wrong.",
  RESULT_EAR_BAD: "The attestation result (EAR) that the gateway states is not good.",
  RESULT_EAR_OTHER:
    "The attestation result (EAR) is of another device or state than the gateway states.",
  RESULT_TYPE_UNKNOWN: "It is no attestation result.",
  RESULT_VERSION_UNKNOWN: "Its profile is of a version that this verifier does not know.",
  RESULT_KEY_MISMATCH: "It is not by the gateway's key.",
  RESULT_SIGNATURE_WRONG: "Its signature is wrong.",
  RESULT_STATUS_WRONG: "Its status is not what its own claims say.",

  // The epochs file.
  EPOCHS_VERSION_UNKNOWN: "The epochs file is of a version that this verifier does not know.",
  EPOCH_HEADER_MALFORMED: "A block that ends an epoch is malformed.",
  EPOCH_OTHER_CHANNEL: "A block that ends an epoch is of another channel than the trust policy's.",
  EPOCH_OUT_OF_ORDER: "The blocks that end epochs do not follow one another.",
  EPOCH_NO_BOUNDARY: "A block in the epochs file names no new validators.",
  EPOCH_PREVIOUS_WRONG: "A block that ends an epoch does not name the one before it.",
  EPOCH_WENT_BACK: "A block that ends an epoch stands before the one that began it.",
  EPOCH_NOT_FINAL: "The certificate of a block that ends an epoch does not make that block final.",
  EPOCH_CERTIFICATE_WRONG:
    "A block that ends an epoch is not final by a quorum of the validators of that epoch.",
  EPOCH_SET_EMPTY: "A block that ends an epoch appoints nobody.",
  EPOCH_NAME_REPEATED: "A block that ends an epoch appoints a validator twice.",
  EPOCH_KEY_REPEATED: "Two validators of one epoch have one key.",
  EPOCH_KEY_BAD: "The key of an appointed validator is no Ed25519 key.",
  EPOCH_APPROVALS_MISSING: "Too few of the appointed validators said that they were ready.",
  EPOCH_APPROVAL_WRONG: "An appointed validator did not say that it was ready for this epoch.",
  SEAL_AFTER_RECOVERY:
    "The channel lost its quorum and was recovered at a smaller size: what its old " +
    "validators sealed beyond that does not count.",
  STATE_COMMITMENT_OTHER_CHANNEL: "What a state root is the hash of is another channel's state.",
  RECOVERY_STATEMENT_MALFORMED: "A recovery of the channel is malformed.",
  RECOVERY_NOT_ONE: "The statement by which a channel was to be recovered is of another kind.",
  RECOVERY_OTHER_CHANNEL: "A recovery is of another channel than the one that the file has led to.",
  RECOVERY_OUT_OF_ORDER: "A recovery is not the next one of its channel.",
  RECOVERY_INCARNATION_USED: "A recovery has the incarnation of the channel that it recovers.",
  RECOVERY_BLOCK_MALFORMED: "A block that a recovery rests on is malformed.",
  RECOVERY_BLOCK_WRONG: "The blocks that a recovery rests on are not those that it names.",
  RECOVERY_BLOCK_NOT_FINAL:
    "The block that a recovery rests on was not made final by the certificate beside it.",
  RECOVERY_CERTIFICATE_WRONG:
    "The block that a recovery rests on was not made final by a quorum of its epoch.",
  RECOVERY_WENT_BACK: "A recovery begins before the channel's last change of validators.",
  RECOVERY_BEFORE_BLOCK: "A recovery says that it was made before the block that it rests on.",
  RECOVERY_NOT_SEALED:
    "The checkpoint that a recovery names was not sealed by the channel's validators.",
  RECOVERY_STATE_WRONG:
    "The members beside a recovery are not those of the state that its block led to.",
  RECOVERY_STATE_MALFORMED: "The state beside a recovery is malformed.",
  RECOVERY_CA_WRONG: "The CA certificates beside a recovery are not those that it names.",
  RECOVERY_MEMBERS_WRONG: "The members that a recovery names cannot be a channel.",
  RECOVERY_OLD_MEMBERS_WRONG: "The members of the channel that was lost could not be one.",
  RECOVERY_SIGNER_UNKNOWN:
    "A recovery was signed by an organisation that was no member of the lost channel.",
  RECOVERY_SIGNER_REPEATED: "An organisation signed a recovery twice.",
  RECOVERY_SIGNATURE_WRONG: "A recovery was not signed by the key of that organisation's CA.",
  RECOVERY_APPROVAL_WRONG: "An approval beside a recovery is not one of that recovery.",
  RECOVERY_SIGNERS_TOO_FEW: "Too few organisations of the lost channel signed its recovery.",
  RECOVERY_CONFLICT:
    "Two recoveries of one lost channel are both fully signed, so that two histories go " +
    "on from one checkpoint and organisations signed for both: trust neither before they " +
    "say which one stands.",
  CERTIFICATE_OTHER_EPOCH: "The certificate is of another epoch.",
  CERTIFICATE_SIGNER_UNKNOWN: "The certificate names a validator that the epoch does not have.",
  CERTIFICATE_SIGNER_REPEATED: "The certificate names a validator twice, or out of order.",
  CERTIFICATE_QUORUM_MISSING: "Fewer validators voted than the epoch's quorum.",
  CERTIFICATE_SIGNATURE_WRONG: "A validator's vote in the certificate is not its own.",

  // The trust policy.
  TRUST_TOO_LONG: "The trust policy is longer than its limit.",
  TRUST_NOT_JSON: "The trust policy is not JSON text.",
  TRUST_KEY_TWICE: "The trust policy has a key twice, or a value in an unusual form.",
  TRUST_VERSION_UNKNOWN: "The trust policy is of a version that this verifier does not know.",
  TRUST_FIELD_MISSING: "A field of the trust policy is missing.",
  TRUST_FIELD_UNKNOWN: "The trust policy has a field that this version does not know.",
  TRUST_FIELD_BAD: "A field of the trust policy has a value that it cannot have.",
  TRUST_NO_ORGANISATION: "The trust policy names no organisation.",
  TRUST_NO_VALIDATOR: "The trust policy names no validator.",
  TRUST_TOO_MANY: "The trust policy names more than its limit.",
  TRUST_NAME_REPEATED: "The trust policy names a validator twice.",
  TRUST_KEY_REPEATED: "Two validators of the trust policy have one key.",
  TRUST_KEY_BAD: "A validator's key in the trust policy is no Ed25519 key.",
  TRUST_ORGANISATION_UNKNOWN: "A validator belongs to an organisation that the trust policy lacks.",
  TRUST_CA_BAD: "An organisation's certificate in the trust policy cannot be used.",
  TRUST_ML_DSA_STRANGER: "The trust policy has an ML-DSA-44 key of somebody who is no validator.",
  TRUST_ML_DSA_KEY_BAD: "An ML-DSA-44 key in the trust policy does not have 1312 bytes.",
  TRUST_ML_DSA_TOO_FEW:
    "The trust policy requires ML-DSA-44 cosignatures of a quorum and names fewer keys.",
  TRUST_QUORUM_TOO_SMALL:
    "The trust policy's quorum is too small: two could seal what contradicts.",
  TRUST_QUORUM_TOO_LARGE: "The trust policy's quorum is larger than what validators seal with.",
};
