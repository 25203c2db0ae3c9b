/** What the oracle throws: a rule of CONSENSUS.md by name, and what broke it. */

export class OracleViolation extends Error {
  readonly rule: string;

  constructor(rule: string, sentence: string) {
    super(`${rule}: ${sentence}`);
    this.name = "OracleViolation";
    this.rule = rule;
  }
}

export function require(
  condition: boolean,
  rule: string,
  sentence: () => string,
): asserts condition {
  if (!condition) throw new OracleViolation(rule, sentence());
}
