import { seedsHold } from "./seeds-hold.ts";

seedsHold(5, 600);
seedsHold(10, 300);
