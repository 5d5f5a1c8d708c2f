// A small account for the walker's tests: tables, views made from them, a policy, and what a statement comes to in one line.

import type { MaskSet } from '../../src/core/decision.ts';
import { loadSnowflakeParsers } from '../../src/sql/snowflake/parsers.ts';
import { protectSnowflake } from '../../src/sql/snowflake/protect.ts';
import type {
  Bind,
  PlanContext,
  PlannedOutput,
  SnowflakeCatalogue,
  SnowflakeClassRule,
  SnowflakeRelation,
} from '../../src/sql/snowflake/types.ts';
import { type Known, walk } from '../../src/sql/snowflake/walk.ts';

export const parsers = await loadSnowflakeParsers();

/** @param columns `ID:NUMBER NAME`: text where no type is given. */
export function relation(
  name: string,
  columns: string,
  kind: SnowflakeRelation['kind'] = 'table',
  definition: string | null = null,
): SnowflakeRelation {
  const path = name.split('.');
  return {
    database: path.at(-3) ?? 'DB',
    schema: path.at(-2) ?? 'PUBLIC',
    name: path.at(-1) ?? '',
    kind,
    definition,
    columns: columns.split(' ').map((column) => {
      const [label = '', type = 'TEXT'] = column.split(':');
      return { name: label, type, isNullable: true };
    }),
  };
}

export function catalogueOf(relations: readonly SnowflakeRelation[]): SnowflakeCatalogue {
  return {
    version: '1',
    databases: new Set(['DB']),
    relations,
    relation: (database, schema, name) =>
      relations.find((each) => each.database === database && each.schema === schema && each.name === name),
  };
}

export const RELATIONS: readonly SnowflakeRelation[] = [
  relation('PATIENTS', 'ID:NUMBER NAME SSN DOB:DATE CLINIC_ID:NUMBER NOTE SALARY:NUMBER DATA:VARIANT EMAIL PHONE'),
  relation('VISITS', 'ID:NUMBER PATIENT_ID:NUMBER SSN AT_DATE:DATE AMOUNT:NUMBER CODE TAGS:VARIANT'),
  relation('CLINICS', 'ID:NUMBER CITY NAME'),
  relation('OTHER.PATIENTS', 'ID:NUMBER NAME'),
  relation('V_PLAIN', 'ID:NUMBER S', 'view', 'select id, ssn as s from patients'),
  relation('V_MADE', 'ID:NUMBER LAST4', 'view', 'select id, right(ssn, 4) from patients'),
  relation('V_TEST', 'ID:NUMBER', 'view', "select id from patients where name = 'Ann'"),
  relation('V_FAILS', 'ID:NUMBER N:NUMBER', 'view', 'select id, to_number(note) from patients'),
];

export const RULES: readonly SnowflakeClassRule[] = [
  { class: 'phi.name', pattern: 'public.patients.name' },
  { class: 'phi.ssn', pattern: 'public.*.ssn' },
  { class: 'phi.dob', pattern: 'public.patients.dob' },
  { class: 'phi.salary', pattern: 'db.public.patients.salary' },
  { class: 'phi.data', pattern: 'public.patients.data' },
  { class: 'phi.email', pattern: 'public.patients.email', predicates: 'equality' },
  { class: 'phi.phone', pattern: 'public.patients.phone', predicates: 'hold' },
];

export const MASKS: MaskSet = { id: 'clerk', byClass: { 'phi.ssn': 'token', 'phi.name': 'partial(1,0)', 'phi.email': 'hash' } };
export const EVERYTHING: MaskSet = { id: 'doctor', byClass: Object.fromEntries(RULES.map((rule) => [rule.class, 'clear' as const])) };

export function contextOf(masks: MaskSet = MASKS, relations = RELATIONS, rules = RULES): PlanContext {
  const catalogue = catalogueOf(relations);
  return {
    catalogue,
    protection: protectSnowflake(catalogue, rules, parsers),
    rules,
    masks,
    tokens: {
      meansToken: (text) => text.startsWith('tok_'),
      open: (name, text) => (text === `tok_${name}` ? { value: "O'K\\" } : { fault: 'forged' }),
    },
    session: {
      database: 'DB',
      schema: 'PUBLIC',
      variables: new Map([['TOKEN', 'tok_phi.ssn']]),
      own: new Map(),
      result: () => undefined,
      lastQueryId: null,
    },
    safeFunctions: new Set(['DB.PUBLIC.VOUCHED']),
  };
}

export const CONTEXT = contextOf();

export function walked(text: string, context: PlanContext = CONTEXT, binds: readonly Bind[] = []): Known {
  const parsed = parsers.parse(text);
  if ('fault' in parsed) throw new Error(`${parsed.fault}: ${text}`);
  return walk(parsed.tree, { context, text, binds, extra: new Map() });
}

/** `ID NAME=partial(1,0) ?=redact!`: outputs with their masks, `!` for derived ones, `?` without a name. Of what is refused its codes and
 *  what they are about. */
export function said(found: Known): string {
  if (found.unknowns.length > 0) return [...new Set(found.unknowns.map((each) => `${each.code}: ${each.what}`))].join('; ');
  return found.outputs === null ? 'done' : found.outputs.map(shown).join(' ');
}

function shown({ name, mask, shape }: PlannedOutput): string {
  const label = name ?? '?';
  return mask === 'clear' ? label : `${label}=${mask}${shape === 'derived' ? '!' : ''}`;
}
