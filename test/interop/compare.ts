// Direct against gate: which tests end differently, and whether `expected.json` gives a reason for each.
// REFUSES: a difference without a reason, and a reason without its difference.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Results } from './suite.ts';

export interface Difference {
  readonly test: string;
  readonly direct: string;
  readonly gate: string;
  readonly detail: string;
  /** From `expected.json`; null = nobody has explained it. */
  readonly reason: string | null;
}

export interface Comparison {
  readonly suite: string;
  readonly run: number;
  readonly passedDirect: number;
  readonly passedGate: number;
  readonly differences: readonly Difference[];
  /** Tests that `expected.json` names and that no longer differ. */
  readonly vanished: readonly string[];
}

interface ExpectedGroup {
  readonly suite: string;
  readonly reason: string;
  readonly tests: readonly string[];
  /** True = may differ or not from run to run: timing decides. */
  readonly flaky?: boolean;
}

export const expectedFile = join(import.meta.dirname, 'expected.json');

export function readExpected(file = expectedFile): readonly ExpectedGroup[] {
  return JSON.parse(readFileSync(file, 'utf8')) as ExpectedGroup[];
}

/** A test that is skipped or missing on both sides was not run. */
export function compare(suite: string, direct: Results, gate: Results, expected: readonly ExpectedGroup[]): Comparison {
  const groups = expected.filter((group) => group.suite === suite);
  const reasons = new Map(groups.flatMap((group) => group.tests.map((test): [string, string] => [test, group.reason])));
  const flaky = new Set(groups.filter((group) => group.flaky === true).flatMap((group) => group.tests));
  const tests = [...new Set([...direct.keys(), ...gate.keys()])].sort();
  const differences: Difference[] = [];
  let ran = 0;
  for (const test of tests) {
    const one = direct.get(test)?.outcome ?? 'missing';
    const other = gate.get(test)?.outcome ?? 'missing';
    if (one !== 'skipped' || other !== 'skipped') ran += 1;
    const printed = [direct, gate].map((side) => side.get(test)?.output);
    if (one === other && printed[0] === printed[1]) continue;
    const detail = one === other ? firstDifference(printed[0] ?? '', printed[1] ?? '') : (gate.get(test)?.detail ?? '');
    differences.push({ test, direct: one, gate: one === other ? 'prints other' : other, detail, reason: reasons.get(test) ?? null });
  }
  const differing = new Set(differences.map(({ test }) => test));
  return {
    suite,
    run: ran,
    passedDirect: passed(direct),
    passedGate: passed(gate) - differences.filter((difference) => difference.gate === 'prints other').length,
    differences,
    vanished: [...reasons.keys()].filter((test) => !differing.has(test) && !flaky.has(test)),
  };
}

/** The first line of the gate's output that the server's does not have. */
function firstDifference(direct: string, gate: string): string {
  const known = new Set(direct.split('\n'));
  const [more] = gate.split('\n').filter((line) => !known.has(line));
  if (more !== undefined) return more.slice(0, 200);
  const seen = new Set(gate.split('\n'));
  const less = direct.split('\n').find((line) => !seen.has(line));
  return less === undefined ? 'lines in another order or number' : `missing: ${less.slice(0, 200)}`;
}

function passed(results: Results): number {
  return [...results.values()].filter(({ outcome }) => outcome === 'passed').length;
}

/** Differences nobody has explained, in the form of `expected.json`: what the gate said stands for the reason still to be found. */
export function draft(comparisons: readonly Comparison[]): ExpectedGroup[] {
  const groups = new Map<string, { suite: string; reason: string; tests: string[] }>();
  for (const { suite, differences } of comparisons) {
    for (const { test, reason, detail } of differences) {
      if (reason !== null) continue;
      const key = `${suite} ${detail}`;
      const group = groups.get(key) ?? { suite, reason: detail, tests: [] };
      group.tests.push(test);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}
