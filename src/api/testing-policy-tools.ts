// The policy tools for tests of the API: they answer what the test sets, and remember what they were asked. Used by tests only.

import { SallyportError } from '../core/error.ts';
import type { Sha256Hex } from '../core/ids.ts';
import type { PolicyDiffAnswer } from './policy-tools.ts';
import type { PolicyToolsSurface } from './ports.ts';

export const NO_DIFF: PolicyDiffAnswer = { isEqual: true, isCut: false, roles: [], access: [], classes: [], masks: [], rules: [] };

export interface PolicyToolFakes {
  readonly surface: PolicyToolsSurface;
  readonly asked: { readonly what: string; readonly with: unknown }[];
  /** Held back until it is called. */
  release: () => void;
  isHeld: boolean;
}

export function createPolicyToolFakes(inForce: Sha256Hex): PolicyToolFakes {
  const asked: PolicyToolFakes['asked'] = [];
  const note = (what: string, value: unknown): void => void asked.push({ what, with: value });
  const place = { file: 'policy.yaml', line: 2, column: 3 };
  const fault = { ...place, severity: 'error' as const, path: 'version', what: 'must be 1', suggestion: null };
  const applied = { ok: true, sha256: inForce, previous: inForce, isChanged: true, diff: NO_DIFF, faults: [], tests: [] };
  const fakes: PolicyToolFakes = {
    asked,
    release: () => {},
    isHeld: false,
    surface: {
      async diff(from, to) {
        note('diff', { from, to });
        if (to.kind === 'files') return { ok: false, faults: [fault] };
        return { ok: true, value: { from: inForce, to: inForce, diff: NO_DIFF } };
      },
      async history(limit) {
        note('history', limit);
        const by = { issuer: 'corp', subject: 'otto', kind: 'person' } as const;
        const row = { sha256: inForce, atMs: 1000, previous: null, insteadOf: null, diff: null };
        return {
          inForce,
          applications: [
            { ...row, how: 'apply', by },
            { ...row, how: 'start', by: null },
          ],
        };
      },
      async apply(files, { by, ...who }) {
        note('apply', { files, by: by.subject, ...who });
        return applied;
      },
      async rollback(sha256, { by, ...who }) {
        note('rollback', { sha256, by: by.subject, ...who });
        if (sha256.startsWith('dead')) throw new SallyportError('SP_POLICY_VERSION_UNKNOWN', 'x');
        return applied;
      },
      async replay(policy, period, onProgress, signal) {
        note('replay', { policy, period });
        onProgress({ done: 1, total: 2 });
        if (fakes.isHeld) await new Promise<void>((done) => (fakes.release = done));
        signal.throwIfAborted();
        if (policy.kind === 'version' && policy.sha256.startsWith('dead')) throw new SallyportError('SP_POLICY_VERSION_UNKNOWN', 'x');
        const changes = { held: 0, denied: 1, allowed: 0, approvers: 0, masked: 0, revealed: 0 };
        return { ok: true, value: { policySha256: inForce, requests: 1, unchanged: 0, changes, unknown: [], groups: [], ungrouped: 0 } };
      },
      async accessReport(query) {
        note('accessReport', query);
        const shrunk = { files: [{ name: 'policy.yaml', text: 'version: 1\n' }], sha256: inForce, proven: 1, notes: [] };
        return { policySha256: inForce, requests: 1, denied: 0, unknown: [], roles: [], shrunk };
      },
    },
  };
  return fakes;
}
