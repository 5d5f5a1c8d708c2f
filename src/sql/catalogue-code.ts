// Which unvetted functions the server runs by itself when a relation is read or written: views, triggers, rules, checks,
// defaults, generation and index expressions, policies, domains. User functions and operators are known from the
// server's dependencies, built-ins (which have none) from the expression texts.

import { Grouped } from './catalogue-relations.ts';
import type { Functions } from './catalogue-functions.ts';
import type { CatalogueRows } from './catalogue-queries.ts';

export interface DefinitionCode {
  /** By relation. */
  readonly onRead: Grouped<string>;
  readonly onWrite: Grouped<string>;
  /** By relation, `number` of the column. */
  readonly ofColumn: Grouped<{ readonly number: number; readonly code: string }>;
  /** Domain -> functions of its checks. */
  readonly ofDomain: ReadonlyMap<number, readonly string[]>;
  readonly cascades: readonly { readonly referencing: number; readonly referenced: number }[];
}

/** Trigger functions that only look at the row. */
const HARMLESS_TRIGGERS = new Set(['suppress_redundant_updates_trigger', 'unique_key_recheck']);

export function findDefinitionCode(rows: CatalogueRows, functions: Functions): DefinitionCode {
  const uses = new Map<string, string[]>();
  for (const [catalogue, object, usedCatalogue, used] of rows.uses) {
    const code = functions.unvettedUse(usedCatalogue ?? '', Number(used));
    if (code === null) continue;
    const key = `${catalogue} ${object}`;
    uses.set(key, [...(uses.get(key) ?? []), code]);
  }
  const codeOf = (catalogue: string, object: string | null | undefined, text: string | null | undefined): readonly string[] => [
    ...(uses.get(`${catalogue} ${object}`) ?? []),
    ...functions.unvettedBuiltinsIn(text ?? null),
  ];

  const onRead = new Grouped<string>();
  const onWrite = new Grouped<string>();
  const ofColumn = new Grouped<{ readonly number: number; readonly code: string }>();
  const ofDomain = new Map<number, readonly string[]>();
  const cascades: { readonly referencing: number; readonly referenced: number }[] = [];
  const definitions = new Map(rows.relations.map((row) => [row[0], row[7]]));

  for (const [oid, relation, name] of rows.rules) {
    const isView = name === '_RETURN';
    const code = codeOf('pg_rewrite', oid, isView ? definitions.get(relation ?? null) : null);
    for (const each of code) (isView ? onRead : onWrite).add(Number(relation), each);
    if (!isView) onWrite.add(Number(relation), `rule ${name}`);
  }
  for (const [oid, relation, number, text] of rows.defaults) {
    for (const code of codeOf('pg_attrdef', oid, text)) {
      ofColumn.add(Number(relation), { number: Number(number), code });
      onWrite.add(Number(relation), code);
    }
  }
  for (const [oid, relation, domain, kind, referenced, cascading, text] of rows.constraints) {
    const code = codeOf('pg_constraint', oid, text);
    if (Number(domain) !== 0) ofDomain.set(Number(domain), [...(ofDomain.get(Number(domain)) ?? []), ...code]);
    else for (const each of code) onWrite.add(Number(relation), each);
    if (kind === 'f' && cascading === 't') cascades.push({ referencing: Number(relation), referenced: Number(referenced) });
  }
  for (const [oid, relation, , , , , text] of rows.indexes) {
    for (const code of codeOf('pg_class', oid, text)) onWrite.add(Number(relation), code);
  }
  for (const [oid, relation, text] of rows.policies) {
    for (const code of codeOf('pg_policy', oid, text)) {
      onRead.add(Number(relation), code);
      onWrite.add(Number(relation), code);
    }
  }
  for (const [oid, relation, , fn] of rows.triggers) {
    const info = functions.info(Number(fn));
    if (info === undefined || info.schema !== 'pg_catalog' || !(HARMLESS_TRIGGERS.has(info.name) || info.name.startsWith('RI_FKey_'))) {
      onWrite.add(Number(relation), functions.signature(Number(fn)));
    }
    for (const code of codeOf('pg_trigger', oid, null)) onWrite.add(Number(relation), code);
  }
  return { onRead, onWrite, ofColumn, ofDomain, cascades };
}
