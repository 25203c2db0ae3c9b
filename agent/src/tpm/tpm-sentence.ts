/** What a TPM's refusals mean to whoever has to mend them. */

/** @param name as the standard has it, without TPM_RC_. */
export function tpmSentence(name: string, about: string | undefined): string {
  const where = about === undefined ? "" : ` (${about})`;
  const sentence = sentences[name];
  return sentence === undefined
    ? `the TPM refuses the command: ${name}${where}`
    : `${sentence}${where}`;
}

const sentences: Readonly<Record<string, string>> = {
  LOCKOUT:
    "the TPM is locked out after wrong passwords of other software: wait until its lockout time is over, or run `tpm2_dictionarylockout --clear-lockout`",
  BAD_AUTH: "the TPM wants a password that was not given, or refuses it",
  AUTH_FAIL: "the TPM wants a password that was not given, or refuses it",
  HANDLE: "the TPM has no such key: its owner may have cleared it, or the handle is another's",
  INITIALIZE:
    "the TPM was not started: its firmware, or swtpm with --flags startup-clear, does that",
  FAILURE:
    "the TPM is in failure mode after a self-test: power it off and on; if that does not help, it is broken",
  DISABLED: "this part of the TPM is disabled in the firmware set-up",
  HIERARCHY: "this part of the TPM is disabled in the firmware set-up",
  NV_SPACE: "the TPM has no room for a further persistent key: remove one with `tpm2_evictcontrol`",
  NV_DEFINED:
    "the TPM holds another key at this handle: name a free one, see `tpm2_getcap handles-persistent`",
  OBJECT_MEMORY:
    "the TPM holds too many loaded keys of other programs: use /dev/tpmrm0, or run `tpm2_flushcontext --transient-object`",
  SESSION_MEMORY:
    "the TPM holds too many sessions of other programs: use /dev/tpmrm0, or run `tpm2_flushcontext --loaded-session`",
  REBOOT: "the TPM wants a restart of the machine first",
  UPGRADE: "the TPM is in the middle of a firmware upgrade",
  CURVE: "the TPM does not know this curve",
  SCHEME: "the TPM does not know this signature scheme for this key",
};
