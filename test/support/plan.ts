// A planner over a small clinic catalogue for unit tests: `plan(sql)` under redaction, `clear(sql)` with nothing masked.

import assert from 'node:assert/strict';
import { testCatalogue } from './catalogue.ts';
import type { Facts } from '../../src/core/facts.ts';
import type { ColumnRule, Relation } from '../../src/sql/catalogue.ts';
import { lineage } from '../../src/sql/lineage.ts';
import { createParser } from '../../src/sql/parser.ts';
import { plan as planText } from '../../src/sql/plan.ts';
import type { PlanTokens } from '../../src/sql/token-values.ts';
import type { MaskColumn, Plan, PlanContext } from '../../src/sql/plan.ts';
import { protect } from '../../src/sql/protection.ts';

const patients = { id: 'integer not null', mrn: 'text', name: 'text', ssn: 'text', dob: 'date', clinic_id: 'integer', sex: 'text' };

export const parser = await createParser();
export const catalogue = testCatalogue({
  schemas: ['legacy'],
  tables: {
    'public.clinics': { columns: { id: 'integer not null', name: 'text', region: 'text' }, primaryKey: ['id'] },
    'public.patients': { columns: patients, primaryKey: ['id'], unique: [['mrn']] },
    'public.patients_archive': { columns: patients, inherits: ['public.patients'] },
    'public.encounters': {
      columns: { id: 'integer not null', patient_id: 'integer', cost: 'numeric', reason: 'text' },
      primaryKey: ['id'],
    },
    'public.scratch': { columns: { id: 'integer not null', k: 'text', v: 'text', n: 'integer' }, primaryKey: ['id'] },
    'public.noisy': { columns: { id: 'integer', k: 'text' }, triggers: ['public.talk()'] },
    'public.kid': { columns: { id: 'integer' }, cascadesFrom: ['public.clinics'] },
    'legacy.patients': { columns: { id: 'integer not null', ssn: 'text' }, primaryKey: ['id'] },
  },
  views: {
    'public.directory': { columns: { id: 'integer', who: 'text' }, sql: 'SELECT id, upper(name) AS who FROM public.patients' },
    'public.born_late': { columns: { id: 'integer' }, sql: "SELECT id FROM public.patients WHERE dob > '2000-01-01'::date" },
  },
  functions: {
    'public.leak(integer)': { returns: 'text', volatility: 'stable' },
    'public.vouched(integer)': { returns: 'text', volatility: 'stable' },
    'public.row_leak(public.patients)': { returns: 'text', volatility: 'immutable' },
    'public.talk()': { returns: 'trigger', language: 'plpgsql' },
  },
});

const rules: ColumnRule[] = [
  ...['mrn', 'name', 'ssn', 'dob'].map((column) => ({ class: `phi.${column}`, pattern: `public.patients.${column}` })),
  { class: 'phi.reason', pattern: 'public.encounters.reason' },
];
const safeFunctions = new Set(['public.vouched(integer)']);
export const protection = protect(catalogue, rules, parser, lineage, safeFunctions);

const redacted: MaskColumn = (_, column) => (column.typeName === 'text' ? "'***'::text" : `NULL::${column.typeName}`);
const shown: MaskColumn = () => null;

/** One session: what statements create is known to later ones. */
export class TestSession {
  readonly #prepared = new Map<string, Facts>();
  readonly #tokens = new Map<string, PlanTokens | undefined>();
  readonly #cursors = new Map<string, Facts>();
  readonly #temporary = new Map<string, Relation>();
  readonly #context: PlanContext;

  constructor(maskColumn: MaskColumn = redacted, changes: Partial<PlanContext> = {}) {
    this.#context = {
      protection,
      searchPath: ['public'],
      maskColumn,
      tokens: null,
      safeFunctions,
      objects: {
        prepared: (name) => this.#prepared.get(name),
        tokens: (name) => this.#tokens.get(name),
        cursor: (name) => this.#cursors.get(name),
        temporary: (name) => this.#temporary.get(name),
      },
      ...changes,
    };
  }

  plan(text: string): Plan {
    const made = planText(text, this.#context, parser);
    for (const change of made.forward === null ? [] : made.statements.flatMap((statement) => statement.changes)) {
      if (change.kind === 'prepare') {
        this.#prepared.set(change.name, change.facts);
        this.#tokens.set(change.name, change.tokens);
      }
      if (change.kind === 'declare') this.#cursors.set(change.name, change.facts);
      if (change.kind === 'create-temporary') this.#temporary.set(change.relation.name, change.relation);
    }
    return made;
  }
}

export const plan = (text: string): Plan => new TestSession().plan(text);
export const clear = (text: string): Plan => new TestSession(shown).plan(text);

/** Codes of why a text is refused; empty when it is not. */
export const refusals = (made: Plan): string[] => (made.forward === null ? made.facts.unknowns.map((reason) => reason.code) : []);

/** Every text is refused for that reason at least. */
export function refuses(code: string, texts: readonly string[]): void {
  for (const text of texts) assert.ok(refusals(plan(text)).includes(code), text);
}

/** No text is refused. */
export function accepts(texts: readonly string[]): void {
  for (const text of texts) assert.deepEqual(refusals(plan(text)), [], text);
}
