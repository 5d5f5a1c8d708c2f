// Which class of the HIPAA Safe Harbor identifiers (45 CFR 164.514(b)(2)(i)) a column probably holds: by its name, by what sampled
// values look like, and by its type. Precision and recall over labelled columns are
// printed by `node scripts/recognisers.ts`. What comes out is a proposal for a person to judge.

import { BY_CONTENT, ONLY_OF_PERSONS, PERSONS, type Row, ROWS } from './column-table.ts';
import { recognise, type ValueKind } from './values.ts';

/** How values are kept, as far as it tells something. */
export type ColumnKind = 'text' | 'number' | 'date' | 'ip' | 'binary' | 'other';

export interface ColumnToJudge {
  readonly relation: string;
  readonly name: string;
  readonly kind: ColumnKind;
  /** Sampled values as text; null = not sampled. NULLs and empty texts are left out. */
  readonly values: readonly string[] | null;
}

export interface Evidence {
  /** Words of the name that point to it; null = the name does not. */
  readonly name: string | null;
  /** Null = no recogniser of the class fits, or there is no sample. */
  readonly content: { readonly kind: ValueKind; readonly matched: number; readonly of: number } | null;
}

export interface Proposal extends Evidence {
  readonly class: string;
}

const minSample = 10;
/** Share of sampled values. A column may be half free text and still hold addresses. */
const enoughAlone = 0.6;
const enoughWithName = 0.3;
/** Below this the values speak against what the name says. */
const tooFewForName = 0.05;

/** @returns null when nothing points to protected data. */
export function judgeColumn(column: ColumnToJudge): Proposal | null {
  const name = wordsOf(column.name);
  const isAboutPersons = PERSONS.test(wordsOf(column.relation));
  const sample = column.values !== null && column.values.length >= minSample ? column.values : null;
  for (const row of ROWS) {
    const found = row.name.exec(name)?.[0];
    if (found === undefined || row.not?.test(name) === true || !row.kinds.includes(column.kind)) continue;
    const content = bestOf(row.values, sample, row.isVague === undefined ? 'weak' : 'strong');
    const agrees = content !== null && content.matched >= enoughWithName * content.of;
    if (row.isVague !== undefined && !isAboutPersons && !(agrees && row.isVague === 'either')) continue;
    if (!agrees && contradicts(row, column, sample)) continue;
    return { class: row.class, name: found.replace(/^_/, '').replaceAll('_', ' '), content: agrees ? content : null };
  }
  if (sample === null || (column.kind !== 'text' && column.kind !== 'number')) return null;
  for (const [kind, className] of BY_CONTENT) {
    if (ONLY_OF_PERSONS.has(kind) && !isAboutPersons) continue;
    const content = bestOf([kind], sample, 'strong');
    if (content !== null && content.matched >= enoughAlone * content.of) return { class: className, name: null, content };
  }
  return null;
}

/** All values should have a known form, and almost none of the sample has it. */
function contradicts(row: Row, column: ColumnToJudge, sample: readonly string[] | null): boolean {
  if (sample === null || row.isComplete !== true || column.kind === 'date' || column.kind === 'ip') return false;
  const best = bestOf(row.values, sample, 'weak');
  return best === null || best.matched < tooFewForName * best.of;
}

function bestOf(kinds: readonly ValueKind[], sample: readonly string[] | null, least: 'weak' | 'strong'): Evidence['content'] {
  let best: Evidence['content'] = null;
  for (const kind of sample === null ? [] : kinds) {
    const matched = (sample ?? []).filter((value) => {
      const match = recognise(kind, value);
      return match === 'strong' || (least === 'weak' && match === 'weak');
    }).length;
    if (matched > 0 && (best === null || matched > best.matched)) best = { kind, matched, of: sample?.length ?? 0 };
  }
  return best;
}

/** `PatientLastName2` -> `patient_last_name_2`. */
function wordsOf(name: string): string {
  return name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .replaceAll(/([A-Za-z])(\d)/g, '$1_$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();
}

/** For people: `187 of 200 sampled values look like ssn`. Never a value. */
export function evidenceText({ name, content }: Evidence): string {
  const parts: string[] = [];
  if (name !== null) parts.push(`its name says "${name}"`);
  if (content !== null) parts.push(`${content.matched} of ${content.of} sampled values look like ${content.kind}`);
  return parts.join('; ');
}
