// The tables with one row for each entry: approvals, grants, auth and their like. Which entry goes where is one table; what no row names
// goes to operations.csv, so that nothing of the range is left out silently.

import type { Cell } from './csv.ts';
import { csvLine } from './csv.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';
import type { Actor, Header } from './fields.ts';
import { actorOf, listOf, memberOf, objectOf, textOf, textsOf } from './fields.ts';

type Column = readonly [name: string, cell: (entry: RangeEntry) => Cell];

const actorColumns = (prefix: string, actor: (header: Header) => Actor | null): Column[] => [
  [`${prefix}issuer`, ({ header }) => actor(header)?.issuer ?? null],
  [`${prefix}subject`, ({ header }) => actor(header)?.subject ?? null],
  [`${prefix}kind`, ({ header }) => actor(header)?.kind ?? null],
];

const when: Column[] = [
  ['log_index', ({ index }) => index],
  ['leaf_sha256', ({ leaf }) => leaf],
  ['time', ({ header }) => textOf(header['ts'])],
  ['type', ({ header }) => textOf(header['type'])],
];
const who: Column[] = [
  ...actorColumns('', (header) => actorOf(header['principal'])),
  ...actorColumns('sponsor_', (header) => actorOf(header['onBehalfOf'])),
];
const session: Column = ['session', ({ header }) => textOf(header['session'])];
const grant: Column = ['grant', ({ header }) => textOf(header['grant'])];
const approval: Column = ['approval', ({ header }) => textOf(header['approval'])];
const target: Column = ['target', ({ header }) => textOf(memberOf(header, 'resource', 'target'))];
const objects: Column = ['objects', ({ header }) => joined(textsOf(memberOf(header, 'resource', 'objects')))];
const answer: Column[] = [
  ...actorColumns('answered_by_', (header) => actorOf(memberOf(header, 'answer', 'by'))),
  ['verdict', ({ header }) => textOf(memberOf(header, 'answer', 'verdict'))],
];
const policy: Column = ['policy_sha256', ({ header }) => textOf(memberOf(header, 'policy', 'sha256'))];
const reasons: Column = ['reasons', ({ header }) => joined(textsOf(header['reasons']))];
const rules: Column = ['rules', ({ header }) => joined(textsOf(header['rules']))];
const replica: Column = ['replica', ({ header }) => textOf(header['replica'])];
const detail: Column = ['detail', ({ header }) => detailText(header['detail'])];
/** Free text is sealed; only that there is some can be told. */
const sealedKinds: Column = ['sealed', ({ header }) => joined(listOf(header['sealed']).map((ref) => textOf(objectOf(ref)?.['kind'])))];

interface EventTable {
  readonly file: string;
  readonly types: RegExp;
  readonly columns: readonly Column[];
}

const EVENT_TABLES: readonly EventTable[] = [
  {
    file: 'denials',
    types: /^request\.denied$/,
    columns: [
      ...when,
      ...who,
      session,
      target,
      objects,
      ['action', ({ header }) => textOf(header['action'])],
      reasons,
      rules,
      policy,
      approval,
      ['statement', ({ header }) => textOf(memberOf(header, 'statement', 'normalised'))],
    ],
  },
  {
    file: 'approvals',
    types: /^(?:approval\.|request\.held$)/,
    columns: [...when, approval, ...who, session, target, objects, ...answer, rules, policy, sealedKinds, detail],
  },
  {
    file: 'grants',
    types: /^(?:grant|delegation)\./,
    columns: [...when, grant, ...who, target, objects, ...answer, policy, sealedKinds, detail],
  },
  {
    file: 'breakglass',
    types: /^breakglass\./,
    columns: [...when, grant, ...who, target, objects, ...answer, policy, sealedKinds, detail],
  },
  { file: 'auth', types: /^(?:auth|session)\./, columns: [...when, ...who, session, target, grant, replica, detail] },
  { file: 'policy_history', types: /^policy\./, columns: [...when, ...who, policy, detail] },
  {
    file: 'reviews',
    types: /^(?:review\.|breakglass\.reviewed$)/,
    columns: [...when, ...who, grant, ...answer, policy, sealedKinds, detail],
  },
  { file: 'unseals', types: /^payload\./, columns: [...when, ...who, session, target, sealedKinds, detail] },
];

/** Has a table of its own, or is counted in coverage.csv. */
const ELSEWHERE = /^(?:request\.(?:intent|result)|heartbeat)$/;
const OPERATIONS: Omit<EventTable, 'types'> = {
  file: 'operations',
  columns: [...when, replica, ...who, session, target, detail],
};

/** Rows and bytes are counted by the sink; this counts rows for the control map. */
export class EventTables implements Part {
  readonly #sink: Sink;
  readonly rows = new Map<string, number>();

  constructor(sink: Sink) {
    this.#sink = sink;
    for (const { file, columns } of [...EVENT_TABLES, OPERATIONS]) {
      this.rows.set(file, 0);
      sink.write(`records/${file}.csv`, csvLine(columns.map(([name]) => name)));
    }
  }

  push(entry: RangeEntry): void {
    const type = textOf(entry.header['type']);
    if (ELSEWHERE.test(type)) return;
    let isPlaced = false;
    for (const table of EVENT_TABLES) {
      if (!table.types.test(type)) continue;
      this.#row(table, entry);
      isPlaced = true;
    }
    if (!isPlaced) this.#row(OPERATIONS, entry);
  }

  end(): void {
    // Every row was written when its entry came.
  }

  #row({ file, columns }: Omit<EventTable, 'types'>, entry: RangeEntry): void {
    this.rows.set(file, (this.rows.get(file) ?? 0) + 1);
    this.#sink.write(`records/${file}.csv`, csvLine(columns.map(([, cell]) => cell(entry))));
  }
}

export function joined(texts: readonly string[]): string {
  return texts.join('; ');
}

export function detailText(detail: unknown): string {
  return joined(Object.entries(objectOf(detail) ?? {}).map(([name, value]) => `${name}=${textOf(value)}`));
}
