/** The named limits of the ledger and of the stored logs. A test reaches each. */

/** Entries in one append: what a group commit gathers, with room to spare. */
export const entriesPerAppendMax = 4_096;
/** Entries at the log's end that are hashed again on every open; all of them only by a full check. */
export const entriesCheckedAtOpenMax = 256;
