/** The tables of `registry.db`. */

/** Its migrations, in order. */
export const registrySchema = [
  `CREATE TABLE request (
     device TEXT PRIMARY KEY, key_kind TEXT NOT NULL, signing BLOB NOT NULL, tls BLOB NOT NULL,
     at INTEGER NOT NULL) STRICT;
   CREATE TABLE device_key (
     kid BLOB PRIMARY KEY, device TEXT NOT NULL, algorithm TEXT NOT NULL, public_key BLOB NOT NULL,
     key_kind TEXT NOT NULL, certificate BLOB NOT NULL, not_after INTEGER NOT NULL,
     revoked_reason TEXT, revoked_since INTEGER) STRICT;
   CREATE INDEX device_key_device ON device_key (device);
   CREATE TABLE tls_certificate (
     fingerprint BLOB PRIMARY KEY, device TEXT NOT NULL, not_after INTEGER NOT NULL,
     certificate BLOB NOT NULL) STRICT;
   CREATE INDEX tls_certificate_device ON tls_certificate (device);
   CREATE TABLE revocation (
     kid BLOB PRIMARY KEY, statement BLOB NOT NULL, ordered INTEGER NOT NULL DEFAULT 0) STRICT;`,
  `DELETE FROM request;
   ALTER TABLE request ADD COLUMN kid BLOB NOT NULL DEFAULT x'';`,
  `ALTER TABLE request ADD COLUMN tpm TEXT;
   CREATE TABLE device_tpm (device TEXT PRIMARY KEY, claim TEXT NOT NULL) STRICT;`,
  `CREATE TABLE invitation (
     id BLOB PRIMARY KEY, key BLOB NOT NULL, device TEXT, until INTEGER NOT NULL, kid BLOB) STRICT;
   CREATE UNIQUE INDEX invitation_kid ON invitation (kid) WHERE kid IS NOT NULL;`,
  `CREATE TABLE rotation (
     request BLOB PRIMARY KEY, device TEXT NOT NULL, from_kid BLOB NOT NULL, to_kid BLOB NOT NULL,
     message BLOB NOT NULL, at INTEGER NOT NULL, certified INTEGER NOT NULL, answer BLOB) STRICT;
   CREATE INDEX rotation_device ON rotation (device);`,
  `ALTER TABLE device_key ADD COLUMN intermediates BLOB;
   CREATE TABLE key_statement (
     id INTEGER PRIMARY KEY AUTOINCREMENT, kid BLOB NOT NULL, device TEXT NOT NULL,
     certificate BLOB NOT NULL, statement BLOB NOT NULL, ordered_in BLOB, intermediates BLOB) STRICT;
   CREATE INDEX key_statement_kid ON key_statement (kid);`,
];
