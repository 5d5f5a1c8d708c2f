// `policy check` proposes classes for columns that nothing protects and that look protected: by name, and on request by what a bounded
// sample of values looks like. Only counts leave this file; the sample is recorded as an access of the gateway.

import type { ClassProposal } from '../api/index.ts';
import type { ActorRef } from '../core/identity.ts';
import type { AuditLog, StoredColumn, TargetAnalyst } from '../core/ports.ts';
import type { Policy } from '../policy/index.ts';
import { evidenceText, judgeColumn } from '../recognisers/index.ts';
import { columnPolicyOf } from './thread-policy.ts';

/** Relations that are sampled at most on one target, and how long all of it may take: whoever asks waits. */
const maxRelations = 500;
const maxSampleMs = 45_000;
const maxProposals = 1000;

export interface Sampling {
  readonly by: ActorRef;
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface Proposals {
  readonly proposals: readonly ClassProposal[];
  /** What was not looked at, for people. */
  readonly notes: readonly string[];
}

/** @param sampling null = names only. @throws SP_CATALOGUE_UNAVAILABLE, SP_AUDIT_UNWRITABLE */
export async function proposeClasses(
  policy: Policy,
  analysts: readonly TargetAnalyst[],
  sampling: Sampling | null,
  signal: AbortSignal,
): Promise<Proposals> {
  const proposals: ClassProposal[] = [];
  const notes: string[] = [];
  const limited = AbortSignal.any([signal, AbortSignal.timeout(maxSampleMs)]);
  for (const analyst of analysts) {
    signal.throwIfAborted();
    const { target } = analyst;
    const covered = await analyst.under(columnPolicyOf(policy, target)).protectedColumns();
    const open = (await analyst.columns()).filter((column) => !covered.has(partsOf(column).join('.')));
    const mayLook = sampling !== null && analyst.isNeverSampled !== true;
    if (sampling !== null && !mayLook) notes.push(`values of ${target} are not sampled: its proposals are by name only`);
    const samples = !mayLook ? null : await sampleAll(analyst, open, sampling, notes, limited);
    for (const column of open) {
      const { schema, relation, column: name, kind } = column;
      const values = samples?.get(`${schema}.${relation}`)?.get(name) ?? null;
      const proposal = judgeColumn({ relation, name, kind, values });
      if (proposal === null) continue;
      const { content } = proposal;
      proposals.push({
        column: `${target}:${partsOf(column).map(patternOf).join('.')}`,
        class: proposal.class,
        isDeclared: policy.classNames.includes(proposal.class),
        evidence: evidenceText(proposal),
        byName: proposal.name,
        byContent: content,
      });
    }
  }
  if (proposals.length > maxProposals) notes.push(`${proposals.length - maxProposals} further columns are not listed`);
  return { proposals: proposals.slice(0, maxProposals), notes };
}

function partsOf({ database, schema, relation, column }: StoredColumn): readonly string[] {
  return [...(database === undefined ? [] : [database]), schema, relation, column];
}

/** A pattern has no room for blanks, quotes, dots and colons of a name. */
function patternOf(name: string): string {
  return name.replaceAll(/[.:\s"]+/g, '*');
}

type Samples = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

async function sampleAll(
  analyst: TargetAnalyst,
  columns: readonly StoredColumn[],
  { by, audit }: Sampling,
  notes: string[],
  limited: AbortSignal,
): Promise<Samples> {
  const byRelation = Map.groupBy(
    columns.filter(({ kind }) => kind === 'text' || kind === 'number'),
    ({ schema, relation }) => `${schema}.${relation}`,
  );
  const chosen = [...byRelation].slice(0, maxRelations);
  const { issuer, subject, kind } = by;
  await audit.append({
    type: 'policy.sampled',
    principal: { issuer, subject, kind },
    resource: { target: analyst.target },
    detail: { relations: chosen.length },
  });
  const samples = new Map<string, ReadonlyMap<string, readonly string[]>>();
  let skipped = byRelation.size - chosen.length;
  for (const [qualified, of] of chosen) {
    const [first] = of;
    if (first === undefined) continue;
    const names = of.map(({ column }) => column);
    const found = limited.aborted ? null : await analyst.sample(first, names, limited).catch(() => null);
    if (found === null) skipped += 1;
    else samples.set(qualified, found);
  }
  if (skipped > 0) notes.push(`${skipped} relations of ${analyst.target} were not sampled: row security, no right to read, or out of time`);
  return samples;
}
