// Takes the sample of rows that a reviewer sees of a held UPDATE or DELETE (docs/approvals.md), in the transaction of its trial run, whose
// locks keep the schema as it was found. Whatever fails costs the sample alone: what was counted stays.

import { SallyportError } from '../../core/error.ts';
import type { EffectPreview, NoSample, PreviewPass, RowSample } from '../../core/preview.ts';
import type { Protection, Relation } from '../../sql/catalogue.ts';
import type { Parser } from '../../sql/parser.ts';
import type { ResultColumn } from './messages.ts';
import type { PlannedText } from './planner.ts';
import type { ClientStatement, PreviewAnswer, PreviewConnection } from './preview-connection.ts';
import { planSample, sampleOf, type SamplePlan, type SamplePlanDeps, textParameters } from './preview-sample-plan.ts';

const maxRows = 5;
/** For each statement of a sample. */
const LIMIT = 'SET LOCAL statement_timeout = 400';
/** The transaction as it was before the trial run, to begin again from. */
export const MARK = 'SAVEPOINT untouched';
const BACK = 'ROLLBACK TO SAVEPOINT untouched';

export interface SamplingDeps {
  readonly parser: Parser;
  /** @throws SP_CATALOGUE_UNAVAILABLE */
  readonly protection: () => Protection;
  /** Resolves when `protection` is of now. @throws SP_CATALOGUE_UNAVAILABLE */
  readonly confirm: () => Promise<void> | null;
  readonly planForSample: SamplePlanDeps['plan'];
  /** See `Planner.exposesProtected`, for `SAMPLE_MASKS`. */
  readonly exposesProtected: (columns: readonly ResultColumn[]) => boolean;
}

export type Sampled = Pick<EffectPreview, 'sampling'> & { readonly sample: RowSample | null };

export const noSample = (sampling: NoSample | null): Sampled => ({ sampling, sample: null });

type Rows = PreviewAnswer['rows'];

export interface Tried {
  readonly planned: PlannedText;
  /** As it was sent. */
  readonly statement: ClientStatement;
  /** What it writes, locked. */
  readonly written: readonly Relation[];
}

/** @param connection in the transaction of the trial run, with `MARK` before it */
export async function takeSample(
  { planned, statement, written }: Tried,
  connection: PreviewConnection,
  pass: PreviewPass,
  deps: SamplingDeps,
): Promise<Sampled> {
  try {
    await deps.confirm();
    const protection = deps.protection();
    const relations = written.flatMap(({ oid }) => protection.catalogue.relationByOid(oid) ?? []);
    const plan = planSample(planned, relations, { parser: deps.parser, protection, plan: deps.planForSample });
    if (typeof plan === 'string') return noSample(plan);
    await connection.own(BACK);
    await connection.own(LIMIT);
    // WHY again: to go back behind the limit would undo it.
    await connection.own(MARK);
    const sample = await new Sampling(plan, statement, connection, pass, deps).run();
    return sample === null ? noSample('failed') : { sampling: 'taken', sample };
  } catch (fault) {
    if (!(fault instanceof SallyportError)) throw fault;
    return noSample('failed');
  }
}

class Sampling {
  readonly #plan: SamplePlan;
  readonly #statement: ClientStatement;
  readonly #connection: PreviewConnection;
  readonly #pass: PreviewPass;
  readonly #deps: SamplingDeps;

  constructor(plan: SamplePlan, statement: ClientStatement, connection: PreviewConnection, pass: PreviewPass, deps: SamplingDeps) {
    this.#plan = plan;
    this.#statement = statement;
    this.#connection = connection;
    this.#pass = pass;
    this.#deps = deps;
  }

  /** Null: something was refused, or took too long. */
  async run(): Promise<RowSample | null> {
    const { write, finder, isDelete } = this.#plan;
    const keys = await this.#write(write);
    const after = keys === null || isDelete ? null : await this.#cells(keys);
    if (after === null && !isDelete) return null;
    await this.#connection.own(BACK);
    const earlier = finder === null ? keys : await this.#write(finder);
    await this.#connection.own(BACK);
    const before = earlier === null ? null : await this.#cells(earlier);
    return before === null ? null : sampleOf(this.#plan, before, after);
  }

  /** Some of the rows that it writes: their keys, or what is shown of them. */
  #write(text: string): Promise<Rows | null> {
    return this.#ask({ ...this.#statement, text });
  }

  async #cells(keys: Rows): Promise<Rows | null> {
    if (this.#plan.keyLength === 0) return keys;
    const text = this.#plan.read(keys.length);
    return text === null ? null : this.#ask({ text, parameterTypes: [], parameters: textParameters(keys.flat()) });
  }

  /** INVARIANT: there are no rows where a protected column is the origin of one of theirs. */
  async #ask(statement: ClientStatement): Promise<Rows | null> {
    const { rows, columns, fault } = await this.#connection.statement(this.#pass, statement, maxRows);
    return fault !== null || rows.length === 0 || this.#deps.exposesProtected(columns) ? null : rows;
  }
}
