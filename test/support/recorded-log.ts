// A log of sessions and requests that were never made: decided by a policy and recorded as the gate records them. For tests and
// benches of what reads the record.

import type { Decision } from '../../src/core/decision.ts';
import type { EntryHeader } from '../../src/core/event.ts';
import type { ActiveGrant } from '../../src/core/grant.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Sha256Hex } from '../../src/core/ids.ts';
import type { Request } from '../../src/core/request.ts';
import { Secret } from '../../src/core/secret.ts';
import type { Target } from '../../src/core/target.ts';
import { classRules, decide, type Policy } from '../../src/policy/index.ts';
import { columnMatches } from '../../src/policy/patterns.ts';
import type { ReplayDeps } from '../../src/reports/replay.ts';
import { claimDigests, recordedIdentity } from '../../src/session/identity-facts.ts';
import { recordedFacts } from '../../src/session/recorded-facts.ts';
import { clinic } from '../../src/core/testing.ts';

export const startMs = Date.UTC(2026, 10, 1);
export const digests = claimDigests(new Secret('claims of the test log'));

export interface RecordedLog {
  readonly entries: EntryHeader[];
  readonly deps: ReplayDeps;
  /** Opens a session. @returns its id. */
  open(principal: Principal, grants?: readonly ActiveGrant[]): string;
  /** Decides under the policy in force and records. @returns the log index of the entry. */
  ask(session: string, request: Request): number;
  /** Another policy is in force from now on. */
  apply(policy: Policy): void;
  /** Adds an entry as it is. */
  add(entry: Omit<EntryHeader, 'v' | 'seq' | 'ts' | 'replica'>): number;
  /** Between two entries; 1000 until told. */
  stepMs: number;
}

/** @param columns every column of the target, `schema.relation.column`: what a policy protects of it is found by its patterns */
export function recordedLog(policy: Policy, columns: readonly string[] = [], targets: readonly Target[] = [clinic]): RecordedLog {
  const entries: EntryHeader[] = [];
  const versions = new Map<string, Policy>([[policy.sha256, policy]]);
  const sessions = new Map<
    string,
    { readonly principal: Principal; readonly grants: readonly ActiveGrant[]; readonly openIndex: number; n: number }
  >();
  let inForce = policy;
  let atMs = startMs;
  const log: RecordedLog = {
    entries,
    stepMs: 1000,
    deps: {
      source: {
        reader: {
          size: () => entries.length,
          async *entries(from, to) {
            yield* entries.slice(from, to);
          },
        },
        sessions: {
          get: async (id) => {
            const known = sessions.get(id);
            return known === undefined ? null : ({ id, openIndex: known.openIndex } as object as never);
          },
        },
      },
      versions: {
        get: async (sha256: Sha256Hex) => {
          const known = versions.get(sha256);
          return known === undefined ? null : { source: known.source, appliedAtMs: startMs };
        },
      },
      targets: new Map(targets.map((target) => [target.name, target])),
      claims: digests,
      protectedColumns: async (of, target) => {
        const rules = classRules(of, target);
        return new Map(
          columns.flatMap((name) => {
            const classes = rules.filter(({ pattern }) => columnMatches(pattern, name)).map((rule) => rule.class);
            return classes.length === 0 ? [] : [[name, [...new Set(classes)].toSorted()]];
          }),
        );
      },
    },
    add(entry) {
      entries.push({ v: 1, seq: entries.length, ts: new Date(atMs).toISOString(), replica: 'test', ...entry });
      atMs += log.stepMs;
      return entries.length - 1;
    },
    open(principal, grants = []) {
      const session = `ses_${sessions.size}`;
      const identity = recordedIdentity(principal, grants, digests);
      sessions.set(session, { principal, grants, openIndex: entries.length, n: 0 });
      log.add({ type: 'session.open', ...actorOf(principal), session, n: 0, identity, resource: { target: clinic.name } });
      return session;
    },
    ask(session, request) {
      const known = sessions.get(session);
      if (known === undefined) throw new Error('no such session');
      const target = targets.find(({ name }) => name === request.target) ?? clinic;
      const { principal, grants } = known;
      const decision = decide(request, { ...principal, expiresAtMs: Infinity }, inForce, { target, nowMs: atMs, grants });
      known.n += 1;
      return log.add({ ...entryOf(request, decision), ...actorOf(principal), session, n: known.n });
    },
    apply(next) {
      inForce = next;
      versions.set(next.sha256, next);
    },
  };
  return log;
}

function actorOf({ issuer, subject, kind }: Principal): Pick<EntryHeader, 'principal'> {
  return { principal: { issuer, subject, kind } };
}

function entryOf(request: Request, decision: Decision): Omit<EntryHeader, 'v' | 'seq' | 'ts' | 'replica'> {
  const { facts } = request;
  return {
    type: ({ allow: 'request.intent', hold: 'request.held', deny: 'request.denied' } as const)[decision.outcome],
    resource: { target: request.target, objects: facts.relations.map(({ name }) => name) },
    action: request.action,
    decision: decision.outcome,
    reasons: decision.reasons,
    rules: decision.rules,
    policy: { sha256: decision.policySha256 },
    statement: {
      ...(facts.normalised === null ? {} : { normalised: facts.normalised }),
      bytes: 10,
      parameters: request.parameters.slice(0, 200),
    },
    facts: recordedFacts(facts),
  };
}
