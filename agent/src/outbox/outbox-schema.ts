/** The tables of an outbox. A body has a table of its own: a change of state must not rewrite it. */

/** `reason` of a gap that a statement under way will use; no gap once that is committed. */
export const reservedReason = 9;

/** For `openDatabase`. Never edited once released: changes are appended. */
export const outboxMigrations: readonly string[] = [
  `
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  used INTEGER NOT NULL,
  thin_level INTEGER NOT NULL,
  checkpoint_size INTEGER,
  checkpoint_root BLOB
) STRICT;
INSERT INTO meta VALUES (1, 0, 1, NULL, NULL);

CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL,
  incarnation BLOB NOT NULL UNIQUE,
  boot_id BLOB NOT NULL,
  next INTEGER NOT NULL,
  bundles INTEGER NOT NULL,
  last_identity BLOB
) STRICT;

CREATE TABLE journal (
  run INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  received INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (run, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE statement (
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  place INTEGER NOT NULL,
  time_from INTEGER NOT NULL,
  time_to INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  body_cost INTEGER NOT NULL,
  identity BLOB NOT NULL,
  leaf BLOB NOT NULL,
  bytes BLOB NOT NULL,
  rejection BLOB
) STRICT;
CREATE UNIQUE INDEX statement_position ON statement (run, first);
CREATE INDEX statement_cost ON statement (state, cost, body_cost);
CREATE INDEX statement_pending ON statement (run, first) WHERE state = 0;
CREATE INDEX statement_open ON statement (run, first) WHERE state < 2;
CREATE INDEX statement_settled ON statement (ordinal) WHERE state >= 2;
CREATE INDEX statement_provisional ON statement (ordinal) WHERE state = 1 AND body_cost > 0;
CREATE INDEX statement_bundle ON statement (state, ordinal) WHERE state < 2 AND kind = 0;
CREATE INDEX statement_control ON statement (ordinal) WHERE state < 2 AND kind > 0;
CREATE INDEX statement_bare ON statement (run, first) WHERE kind = 0 AND body_cost = 0;

CREATE TABLE body (
  ordinal INTEGER PRIMARY KEY,
  encoding INTEGER NOT NULL,
  length INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE gap (
  run INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  time_from INTEGER NOT NULL,
  time_to INTEGER NOT NULL,
  PRIMARY KEY (run, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE settled (
  run INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (run, first)
) STRICT, WITHOUT ROWID;
`,
  // Rows encrypted at rest: a sealed journal row says so, a sealed body in its encoding (`sealedEncoding`);
  // `rest_check` tells the key of all of them, and is set before the first.
  `
ALTER TABLE meta ADD COLUMN rest_check BLOB;
ALTER TABLE journal ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
`,
  // What a gateway concluded last of this device: the identity for later statements to name, and the bytes.
  `
ALTER TABLE meta ADD COLUMN result_identity BLOB;
ALTER TABLE meta ADD COLUMN result_bytes BLOB;
`,
];

/** Added to the encoding of a body that is encrypted. */
export const sealedEncoding = 16;
