/** The mutation-kill table. */

import { chainMutations } from "./chain-mutations.ts";
import { diskMutations } from "./disk-mutations.ts";
import type { Mutation } from "./mutation.ts";
import { viewMutations } from "./view-mutations.ts";
import { voteMutations } from "./vote-mutations.ts";

export const mutations: readonly Mutation[] = [
  ...voteMutations,
  ...diskMutations,
  ...viewMutations,
  ...chainMutations,
];
