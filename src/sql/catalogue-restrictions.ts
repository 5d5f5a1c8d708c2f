// What a write can break: unique and exclusion keys, checks, foreign keys, with every column that each of them reads.
// A violation answers a question about rows and values the writer may not see.

import type { PartitionKey, Relation, Restriction } from './catalogue.ts';
import type { CatalogueRows } from './catalogue-queries.ts';
import { Grouped } from './catalogue-relations.ts';

export interface Restrictions {
  /** By relation, foreign keys under both of theirs. */
  readonly of: Grouped<Restriction>;
  readonly partitionKeys: ReadonlyMap<number, PartitionKey>;
  readonly policies: Grouped<string>;
}

export function readRestrictions(rows: CatalogueRows, relationByOid: (oid: number) => Relation | undefined): Restrictions {
  const of = new Grouped<Restriction>();
  /** Names of column numbers; 0 stands for the whole row. */
  const names = (oid: number, numbers: string | null | undefined): string[] => {
    const columns = relationByOid(oid)?.columns ?? [];
    const wanted = new Set((numbers ?? '').split(' ').filter(Boolean).map(Number));
    return columns.filter((column) => wanted.has(column.attnum) || wanted.has(0)).map((column) => column.name);
  };
  /** Names in the order of their numbers, for foreign keys. */
  const ordered = (oid: number, numbers: string | null | undefined): string[] => {
    const byNumber = new Map((relationByOid(oid)?.columns ?? []).map((column) => [column.attnum, column.name]));
    return (numbers ?? '')
      .split(' ')
      .filter(Boolean)
      .map((number) => byNumber.get(Number(number)) ?? '');
  };

  for (const [, relationText, , , key, keyCount, expressions, isViolable, reads, nullsEqual, folds] of rows.indexes) {
    const relation = Number(relationText);
    // In the key a 0 is an expression, and what it reads is among `reads`; there a 0 is only the row when the text says so
    // (an index without plain columns depends on its table as well).
    const readsRow = /\.\*/.test(expressions ?? '');
    const keys = (key ?? '').split(' ').slice(0, Number(keyCount));
    const numbers = [...keys, ...(reads ?? '').split(' ')].filter((number) => number !== '0');
    const columns = names(relation, (readsRow ? ['0'] : numbers).join(' '));
    const equality = {
      ...(nullsEqual === 'true' ? { nullsEqual: true as const } : {}),
      ...(folds === 't' ? { folds: true as const } : {}),
    };
    if (isViolable === 't') of.add(relation, { kind: 'key', relation, columns, target: null, ...equality });
    // An expression may fail for some values.
    if ((expressions ?? '') !== '') of.add(relation, { kind: 'check', relation, columns, target: null });
  }
  for (const [, relationText, domain, kind, referencedText, , , own, referenced, isValid] of rows.constraints) {
    const relation = Number(relationText);
    if (Number(domain) !== 0) continue;
    const validity = isValid === 'f' ? ({ unvalidated: true } as const) : {};
    if (kind === 'c') of.add(relation, { kind: 'check', relation, columns: names(relation, own), target: null, ...validity });
    if (kind !== 'f') continue;
    const target = { relation: Number(referencedText), columns: ordered(Number(referencedText), referenced) };
    const reference: Restriction = { kind: 'reference', relation, columns: ordered(relation, own), target };
    of.add(relation, reference);
    if (target.relation !== relation) of.add(target.relation, reference);
  }

  const partitionKeys = new Map<number, PartitionKey>();
  for (const [relation, numbers, expressions] of rows.partitionKeys) {
    const keys = (numbers ?? '')
      .split(' ')
      .filter((number) => number !== '0')
      .join(' ');
    partitionKeys.set(Number(relation), { columns: names(Number(relation), keys), expressions: expressions ?? null });
  }
  const policies = new Grouped<string>();
  for (const [, relation, expressions] of rows.policies) policies.add(Number(relation), expressions ?? '');
  return { of, partitionKeys, policies };
}
