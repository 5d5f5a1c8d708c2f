// A small target for tests of the engine: a clinic with protected columns, and how a statement is planned against it.

import type { Mask } from '../../core/mask.ts';
import { buildSnowflakeCatalogue, type CatalogueRows } from './catalogue.ts';
import { loadSnowflakeParsers } from './parsers.ts';
import { planSnowflake } from './plan.ts';
import type { Bind, PlanContext, SnowflakeCatalogue, SnowflakePlan, SnowflakeSession } from './types.ts';

const TABLES: Readonly<Record<string, string>> = {
  'CLINIC.PUBLIC.PATIENTS': 'ID NUMBER, NAME TEXT, SSN TEXT, BORN DATE, CLINIC_ID NUMBER, NOTES VARIANT',
  'CLINIC.PUBLIC.VISITS': 'ID NUMBER, PATIENT_ID NUMBER, AT TIMESTAMP_NTZ, COST NUMBER, DETAILS VARIANT',
  'CLINIC.PUBLIC.CLINICS': 'ID NUMBER, CITY TEXT',
  'CLINIC.ARCHIVE.PATIENTS': 'ID NUMBER, NAME TEXT, SSN TEXT',
  'OTHER.PUBLIC.THINGS': 'ID NUMBER, LABEL TEXT',
};

const PROTECTED: Readonly<Record<string, readonly string[]>> = {
  'CLINIC.PUBLIC.PATIENTS.NAME': ['phi.name'],
  'CLINIC.PUBLIC.PATIENTS.SSN': ['phi.ssn'],
  'CLINIC.PUBLIC.PATIENTS.BORN': ['phi.born'],
  'CLINIC.ARCHIVE.PATIENTS.NAME': ['phi.name'],
  'CLINIC.ARCHIVE.PATIENTS.SSN': ['phi.ssn'],
};

export function clinicRows(): CatalogueRows {
  const tables = Object.keys(TABLES).map((full) => {
    const [TABLE_CATALOG = '', TABLE_SCHEMA = '', TABLE_NAME = ''] = full.split('.');
    return { TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE: 'BASE TABLE', IS_DYNAMIC: 'NO' };
  });
  const columns = Object.entries(TABLES).flatMap(([full, list]) => {
    const [TABLE_CATALOG = '', TABLE_SCHEMA = '', TABLE_NAME = ''] = full.split('.');
    return list.split(', ').map((each, index) => {
      const [COLUMN_NAME = '', DATA_TYPE = ''] = each.split(' ');
      return { TABLE_CATALOG, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION: String(index + 1), DATA_TYPE, IS_NULLABLE: 'YES' };
    });
  });
  return { databases: ['CLINIC', 'OTHER'], tables, columns, definitions: [] };
}

export const CLINIC: SnowflakeCatalogue = buildSnowflakeCatalogue(clinicRows());

export interface Asked {
  readonly binds?: readonly Bind[];
  readonly statements?: number;
  readonly masks?: Readonly<Record<string, Mask>>;
  readonly session?: Partial<SnowflakeSession>;
  /** Classes whose policy names a subject. */
  readonly withSubject?: readonly string[];
}

export function contextOf({ masks = {}, session = {}, withSubject = [] }: Asked = {}): PlanContext {
  return {
    catalogue: CLINIC,
    protection: { columns: new Map(Object.entries(PROTECTED)), opaque: new Set() },
    rules: [
      { class: 'phi.name', pattern: 'public.patients.name' },
      { class: 'phi.ssn', pattern: 'public.patients.ssn' },
      { class: 'phi.born', pattern: 'public.patients.born' },
    ].map((rule) => (withSubject.includes(rule.class) ? { ...rule, hasSubject: true as const } : rule)),
    masks: { id: JSON.stringify(masks), byClass: masks },
    tokens: {
      meansToken: (text) => text.startsWith('tok_'),
      open: (_, text) =>
        text.startsWith('tok_x_')
          ? { value: text.slice('tok_x_'.length).replaceAll('Q', "'").replaceAll('B', '\\') }
          : { fault: 'it is no token of this class' },
    },
    session: {
      database: 'CLINIC',
      schema: 'PUBLIC',
      variables: new Map(),
      own: new Map(),
      result: () => undefined,
      lastQueryId: null,
      ...session,
    },
  };
}

export const parsers = await loadSnowflakeParsers();

export function planOf(text: string, asked: Asked = {}): SnowflakePlan {
  return planSnowflake({ text, binds: asked.binds ?? [], statements: asked.statements ?? 1 }, contextOf(asked), parsers);
}

/** A plan in one line: `SELECT read CLINIC.PUBLIC.CLINICS:r > ID, CITY`, with masks as `SSN:redact`; or the codes of its refusals. */
export function brief({ facts, statements }: SnowflakePlan): string {
  if (facts.unknowns.length > 0) return facts.unknowns.map(({ code, what }) => `${code}: ${what}`).join(' | ');
  const relations = facts.relations.map(({ name, access }) => `${name}:${access.slice(0, 1)}`);
  const answers = statements.map(({ outputs }) =>
    outputs === null ? '-' : outputs.map(({ name, mask }) => `${name ?? '?'}${mask === 'clear' ? '' : `:${mask}`}`).join(', '),
  );
  return `${[facts.verbs.join('; '), ...facts.effects, ...relations].join(' ')} > ${answers.join('; ')}`;
}
