// What a held statement would do (docs/approvals.md): the planner's estimate, and for a single write that can leave nothing
// behind the number of rows of a trial run that is rolled back, and some of those rows. On a connection of the gateway's own with the session's role and
// start-up settings, never in the client's transaction. Whatever fails is unknown.

import { SallyportError } from '../../core/error.ts';
import {
  type EffectPreview,
  type EffectPreviewer,
  NO_PREVIEW,
  type NotCounted,
  type PreviewPass,
  type Previewed,
} from '../../core/preview.ts';
import { createTurns } from '../../core/turns.ts';
import type { Protection, Relation } from '../../sql/catalogue.ts';
import { type ClientStatement, type PreviewAnswer, PreviewConnection } from './preview-connection.ts';
import { firstReason, lockQuery, safetyQuery, usesOf } from './preview-safety.ts';
import { MARK, noSample, type Sampled, type SamplingDeps, takeSample } from './preview-sample.ts';
import type { PlannedText } from './planner.ts';
import type { Portal } from './prepared.ts';
import type { UpstreamConnection } from './upstream.ts';

/** For everything together, the wait for other previews of the target among it. */
const maxPreviewMs = 10_000;
/** Previews of one target that wait for their turn; further ones are `busy`. */
const maxWaiting = 100;
/** More rows than this are not written for a count. */
const maxTrialRows = 10_000;
const EXPLAINED: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'VALUES', 'TABLE']);
const TRIED: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE']);
/** Lock not available, query cancelled (by a timeout), deadlock, serialisation. */
const BUSY: ReadonlySet<string> = new Set(['55P03', '57014', '40P01', '40001']);

export interface PreviewSubject {
  readonly planned: PlannedText;
  readonly portal: Portal | null;
  /** The client has no transaction open. */
  readonly isIdle: boolean;
}

export interface TargetPreviewsDeps extends SamplingDeps {
  /** Else nothing is written, not even to be rolled back. */
  readonly mayRun: boolean;
}

type Tried = Pick<EffectPreview, 'affectedRows' | 'notCounted'> & Sampled;

const withoutSample = (preview: EffectPreview): Previewed => ({ preview, sample: null });

/** Previews of one target, one at a time: they must not become a load of their own. */
export class TargetPreviews {
  readonly #deps: TargetPreviewsDeps;
  readonly #turns = createTurns();
  #waiting = 0;

  constructor(deps: TargetPreviewsDeps) {
    this.#deps = deps;
  }

  /** @param connect dials with the role and settings of the session, and `PREVIEW_SETTINGS` */
  of(subject: PreviewSubject, connect: (signal: AbortSignal) => Promise<UpstreamConnection>): EffectPreviewer {
    return {
      preview: async (pass, signal) => {
        if (this.#waiting >= maxWaiting) return withoutSample({ ...NO_PREVIEW, notCounted: isWrite(subject) ? 'busy' : null });
        this.#waiting += 1;
        const bounded = AbortSignal.any([signal, AbortSignal.timeout(maxPreviewMs)]);
        try {
          return await this.#turns.take('', () => new Preview(this.#deps, subject, pass).run(connect, bounded));
        } finally {
          this.#waiting -= 1;
        }
      },
    };
  }
}

class Preview {
  readonly #deps: TargetPreviewsDeps;
  readonly #subject: PreviewSubject;
  readonly #pass: PreviewPass;

  constructor(deps: TargetPreviewsDeps, subject: PreviewSubject, pass: PreviewPass) {
    this.#deps = deps;
    this.#subject = subject;
    this.#pass = pass;
  }

  async run(connect: (signal: AbortSignal) => Promise<UpstreamConnection>, signal: AbortSignal): Promise<Previewed> {
    const { planned } = this.#subject;
    const notCounted = this.#outright();
    const [verb = ''] = planned.plan.facts.verbs;
    if (planned.plan.forward === null || planned.plan.facts.statements !== 1 || !EXPLAINED.has(verb) || planned.dependsOnSession) {
      return withoutSample({ ...NO_PREVIEW, notCounted });
    }
    if (planned.plan.tokens !== undefined) return withoutSample({ ...NO_PREVIEW, notCounted });
    let found: EffectPreview = { ...NO_PREVIEW, notCounted: notCounted ?? (isWrite(this.#subject) ? 'busy' : null) };
    let connection: PreviewConnection | null = null;
    try {
      if (signal.aborted) return withoutSample(found);
      connection = new PreviewConnection(await connect(signal), signal);
      const estimatedRows = await this.#estimate(connection);
      found = { ...found, estimatedRows };
      if (notCounted !== null || !isWrite(this.#subject)) return withoutSample(found);
      if (estimatedRows === null) return withoutSample({ ...found, notCounted: 'failed' });
      if (estimatedRows > maxTrialRows) return withoutSample({ ...found, notCounted: 'too-many-rows' });
      const { sample, ...tried } = await this.#try(connection);
      return { preview: { ...found, ...tried }, sample };
    } catch (fault) {
      // The connection, or the time for it: nothing is known of what was not answered.
      if (!(fault instanceof SallyportError)) throw fault;
      return withoutSample(found);
    } finally {
      connection?.close();
    }
  }

  /** Why it cannot be tried, whatever the target says. */
  #outright(): NotCounted | null {
    const { planned, isIdle } = this.#subject;
    if (!isWrite(this.#subject)) return null;
    if (!this.#deps.mayRun) return 'switched-off';
    const { facts, tokens } = planned.plan;
    if (
      facts.statements !== 1 ||
      !TRIED.has(facts.verbs[0] ?? '') ||
      facts.effects.some((effect) => effect !== 'read' && effect !== 'write')
    ) {
      return 'statement';
    }
    if (!isIdle || planned.dependsOnSession) return 'session';
    return tokens === undefined ? null : 'tokens';
  }

  #statement(prefix = ''): ClientStatement {
    const { planned, portal } = this.#subject;
    return {
      text: `${prefix}${planned.plan.forward ?? ''}`,
      parameterTypes: portal?.statement.parameterTypes ?? [],
      parameters: portal?.parameterBytes ?? null,
    };
  }

  /** Plans it, in a transaction that may write nothing; never ANALYZE. */
  async #estimate(connection: PreviewConnection): Promise<number | null> {
    await connection.own('BEGIN READ ONLY');
    const { rows, fault } = await connection.statement(this.#pass, this.#statement('EXPLAIN (FORMAT JSON) '));
    await connection.own('ROLLBACK');
    return fault === null ? plannedRows(rows[0]?.[0] ?? '') : null;
  }

  async #try(connection: PreviewConnection): Promise<Tried> {
    const refused = (notCounted: NotCounted) => ({ affectedRows: null, notCounted, ...noSample(null) });
    const { planned } = this.#subject;
    const parsed = this.#deps.parser.parse(planned.plan.forward ?? '');
    const protection = this.#deps.protection();
    const used = relationsOf(planned, protection);
    if (!parsed.ok || used === null) return refused('code');
    if (used.written.some(({ kind }) => kind === 'foreign')) return refused('foreign-table');
    if (used.written.some(({ kind }) => kind !== 'table' && kind !== 'partitioned')) return refused('view');
    const uses = usesOf(parsed.tree);
    await connection.own('BEGIN');
    const locked = await connection.own(lockQuery(used.written));
    if (locked.fault !== null) return refused(BUSY.has(locked.fault) ? 'busy' : 'failed');
    const asked = await connection.own(safetyQuery(oidsOf(used.written), oidsOf(used.all), uses));
    if (asked.fault !== null) return refused(BUSY.has(asked.fault) ? 'busy' : 'code');
    const reason = firstReason(asked.rows) ?? (used.written.some(({ oid }) => protection.isOpaqueOnWrite(oid)) ? 'code' : null);
    if (reason !== null) return refused(reason);
    await connection.own(MARK);
    const answer = await connection.statement(this.#pass, this.#statement());
    if (answer.fault !== null) return refused(BUSY.has(answer.fault) ? 'busy' : 'failed');
    const count = affectedRows(answer);
    const isSampled = planned.plan.facts.verbs[0] !== 'INSERT' && (count ?? 0) > 0;
    const sampled = isSampled
      ? await takeSample({ planned, statement: this.#statement(), written: used.written }, connection, this.#pass, this.#deps)
      : noSample(null);
    return { affectedRows: count, notCounted: null, ...sampled };
  }
}

function isWrite({ planned }: PreviewSubject): boolean {
  return planned.plan.facts.effects.includes('write');
}

const oidsOf = (relations: readonly Relation[]): ReadonlySet<number> => new Set(relations.map(({ oid }) => oid));

/** Null: a relation is not in the catalogue, or nothing is written. */
function relationsOf(planned: PlannedText, { catalogue }: Protection): { written: readonly Relation[]; all: readonly Relation[] } | null {
  const find = (wanted: ReadonlySet<string>): Relation[] | null => {
    const found = catalogue.relations.filter(({ qualified }) => wanted.has(qualified));
    return new Set(found.map(({ qualified }) => qualified)).size === wanted.size ? found : null;
  };
  const { relations } = planned.plan.facts;
  const written = find(new Set(relations.filter(({ access }) => access === 'write').map(({ name }) => name)));
  const all = find(new Set(relations.map(({ name }) => name)));
  return written === null || all === null || written.length === 0 ? null : { written, all };
}

/** `UPDATE 3`, `INSERT 0 3`. */
function affectedRows({ tag }: PreviewAnswer): number | null {
  const rows = /^[A-Z]+(?: \d+)?? (\d+)$/.exec(tag)?.[1];
  return rows === undefined ? null : Number(rows);
}

interface PlanNode {
  readonly 'Node Type'?: string;
  readonly 'Plan Rows'?: number;
  readonly Plans?: readonly PlanNode[];
  readonly 'Parent Relationship'?: string;
}

/** Rows of the topmost node; of a write those that it is given, because it returns none. */
export function plannedRows(json: string): number | null {
  let plan: PlanNode | undefined;
  try {
    plan = (JSON.parse(json) as { Plan?: PlanNode }[])[0]?.Plan;
  } catch {
    return null;
  }
  if (plan?.['Node Type'] !== 'ModifyTable') return plan?.['Plan Rows'] ?? null;
  const inputs = (plan.Plans ?? []).filter((node) => ['Outer', 'Member'].includes(node['Parent Relationship'] ?? ''));
  return inputs.reduce((sum, node) => sum + (node['Plan Rows'] ?? 0), 0);
}
