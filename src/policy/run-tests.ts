// Runs the `tests:` section of a policy: each statement is analysed for its target and decided for its principal, and
// what came out is compared with what the author expects.

import { type Decision, maskFor, type MaskSet } from '../core/decision.ts';
import { EFFECTS, type Facts } from '../core/facts.ts';
import type { ActiveGrant } from '../core/grant.ts';
import type { Principal } from '../core/identity.ts';
import type { GrantId, Sha256Hex, TargetName } from '../core/ids.ts';
import type { Request } from '../core/request.ts';
import type { Protocol } from '../core/target.ts';
import { decide } from './decide.ts';
import { masksFor } from './masks.ts';
import type { Policy, PolicyTest } from './policy.ts';
import type { Place } from './source.ts';

/** Facts of a statement for a target under masks. Rejects when the target cannot be analysed. */
export type AnalyseForTest = (target: string, sql: string, masks: MaskSet, signal?: AbortSignal) => Promise<Facts>;

export interface PolicyTestResult {
  readonly name: string;
  readonly place: Place;
  readonly passed: boolean;
  /** One line per difference; names and classes only, no data. */
  readonly differences: readonly string[];
  /** Null when the statement could not be analysed. */
  readonly decision: Decision | null;
}

export interface PolicyTestOptions {
  readonly protocolOf?: (target: string) => Protocol;
  /** Time of tests that give no `at`: 2026-01-05T12:00:00Z, a Monday, unless told. */
  readonly nowMs?: number;
  readonly signal?: AbortSignal;
}

const noonOnMonday = Date.UTC(2026, 0, 5, 12);
const noBytesSha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' as Sha256Hex;

/** In policy order, one after the other. A test that cannot be run has failed. */
export async function runPolicyTests(
  policy: Policy,
  analyse: AnalyseForTest,
  options: PolicyTestOptions = {},
): Promise<PolicyTestResult[]> {
  const results: PolicyTestResult[] = [];
  for (const test of policy.tests) {
    options.signal?.throwIfAborted();
    results.push(await runOne(policy, test, analyse, options));
  }
  return results;
}

async function runOne(policy: Policy, test: PolicyTest, analyse: AnalyseForTest, options: PolicyTestOptions): Promise<PolicyTestResult> {
  const nowMs = test.at === undefined ? (options.nowMs ?? noonOnMonday) : Date.parse(test.at);
  const { granted, ...as } = test.as;
  const principal: Principal = { ...as, name: as.subject, onBehalfOf: null, expiresAtMs: nowMs + 3_600_000 };
  const grants = granted.map((role): ActiveGrant => grantOf(role, test.target, principal.expiresAtMs));
  const masks = masksFor(principal, test.target, policy, grants);
  const base = { name: test.name, place: test.origin.place };
  let facts: Facts;
  try {
    facts = await analyse(test.target, test.sql, masks, options.signal);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown fault';
    return { ...base, passed: false, differences: [`the statement could not be analysed: ${why}`], decision: null };
  }
  const name = test.target as TargetName;
  const protocol = options.protocolOf?.(test.target) ?? 'postgres';
  const request: Request = {
    target: name,
    action: 'query',
    facts,
    statementSha256: noBytesSha256,
    parametersSha256: noBytesSha256,
    parameters: [],
    maskSetId: masks.id,
    catalogueVersion: '',
    sealed: { statement: new Uint8Array(), parameters: null },
  };
  const decision = decide(request, principal, policy, {
    target: { name, protocol, address: '' },
    nowMs,
    grants,
    session: test.session,
  });
  const differences = differencesOf(test, decision, facts);
  return { ...base, passed: differences.length === 0, differences, decision };
}

/** As a reviewer gives it who narrows nothing. */
function grantOf(role: string, target: string, expiresAtMs: number): ActiveGrant {
  return { id: 'grt_test' as GrantId, role, targets: [target], effects: EFFECTS, relations: null, rowsPerHour: null, expiresAtMs };
}

function differencesOf({ expect }: PolicyTest, decision: Decision, facts: Facts): string[] {
  const found: string[] = [];
  const differ = (what: string, expected: string, actual: string): number => found.push(`${what}: expected ${expected}, got ${actual}`);
  if (decision.outcome !== expect.decision) {
    const unknowns = facts.unknowns.map(({ code, what }) => `${code} ${what}`);
    const because = [...decision.reasons, ...decision.rules, ...unknowns].join(', ');
    differ('decision', expect.decision, because === '' ? decision.outcome : `${decision.outcome} (${because})`);
  }
  const compareSets = (what: string, expected: readonly string[] | undefined, actual: readonly string[]): void => {
    if (expected === undefined || expected.toSorted().join() === actual.toSorted().join()) return;
    differ(what, `[${expected.join(', ')}]`, `[${actual.join(', ')}]`);
  };
  compareSets('reasons', expect.reasons, decision.reasons);
  compareSets('rules', expect.rules, decision.rules);
  for (const [column, method] of Object.entries(expect.masks ?? {})) {
    const outputs = facts.outputs.filter((output) => output.name === column);
    if (outputs.length === 0)
      differ(`mask of ${column}`, method, `no such output column (${facts.outputs.map((output) => output.name).join(', ')})`);
    for (const output of outputs) {
      const shown = maskFor(output.classes, decision.masks);
      if (shown !== method) differ(`mask of ${column}`, method, shown);
    }
  }
  return found;
}
