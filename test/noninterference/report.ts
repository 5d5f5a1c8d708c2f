// A campaign in figures, and its findings as cases ready for the corpus.

import { createHash } from 'node:crypto';
import type { Case } from '../bypass/cases.ts';
import type { Finding, Tally } from './campaign.ts';

export function summary(tally: Tally): string {
  const { statements, outcomes, elapsedMs, cpuMs } = tally;
  const share = (count: number, of: number): string => `${of === 0 ? 0 : ((count / of) * 100).toFixed(1)} %`;
  const rate = Math.round(statements / (elapsedMs / 1000));
  const features = [...tally.features]
    .filter(([name]) => !name.startsWith('corpus '))
    .sort(([a], [b]) => a.localeCompare(b))
    .map(
      ([name, each]) =>
        `  ${name.padEnd(22)} ${[each.rows, each.empty, each.refused, each.error].map((count) => String(count).padStart(8)).join('')}`,
    );
  return `${statements} statements in ${tally.units} units, each in both worlds, in ${(elapsedMs / 1000).toFixed(0)} s: ${rate}/s, ${(cpuMs / statements).toFixed(2)} ms of this process's CPU each
answered with rows ${outcomes.rows} (${share(outcomes.rows, statements)}), without ${outcomes.empty} (${share(outcomes.empty, statements)}), refused ${outcomes.refused} (${share(outcomes.refused, statements)}), errors ${outcomes.error} (${share(outcomes.error, statements)})
past the gateway ${tally.bareDiffered} of ${tally.bareSampled} sampled units tell the worlds apart (${share(tally.bareDiffered, tally.bareSampled)})
differences ${tally.findings.length}; noise ${tally.noise.length}; timeouts ${tally.timeouts}; did not come again ${tally.unconfirmed.length}; next unit ${tally.nextUnit}
  ${'made use of'.padEnd(22)}     rows   empty refused  errors
${features.join('\n')}`;
}

/** What was refused most, for whoever wonders. */
export function refusals(tally: Tally, count: number): string {
  const rows = [...tally.refusals].sort(([, a], [, b]) => b - a).slice(0, count);
  return rows.map(([text, times]) => `  ${String(times).padStart(7)}  ${text}`).join('\n');
}

/** The shrunk finding as a case for `found.json`. */
export function caseOf({ shrunk, unit, difference }: Finding, seed: number): Case {
  const id = `found-${createHash('sha256').update(JSON.stringify(shrunk)).digest('hex').slice(0, 8)}`;
  return {
    id,
    category: 'non-interference',
    title: `unit ${unit} of seed ${seed}`,
    sql: shrunk,
    expect: 'masked',
    accept: ['masked', 'refused'],
    secretMustNotAppear: [],
    raw: { check: 'none' },
    note: difference,
  };
}
