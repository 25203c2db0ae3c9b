/** Planted defect, for `--import` into a gateway: PUBACK goes out before the commit. */

import { AdmissionQueue } from "@tamga/gateway/ingest/admission-queue";

const lateMs = 400;
const commit = AdmissionQueue.prototype.add;

AdmissionQueue.prototype.add = function addLater(this: AdmissionQueue, admission) {
  setTimeout(() => {
    commit.call(this, admission).catch(() => undefined);
  }, lateMs);
  return Promise.resolve({ outcome: "accepted", lane: 1, leafIndex: 0n });
};
