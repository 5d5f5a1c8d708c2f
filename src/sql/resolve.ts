// Where names lead: relations by session temporaries, pg_catalog and the search path; functions, operators and types
// to the catalogue's vetting. Every answer is fail-closed: what is not known is refused.

import type { Unknown } from '../core/facts.ts';
import type { Catalogue, FunctionInfo, Relation } from './catalogue.ts';
import type { PlanContext } from './plan.ts';
import type { Body } from './rewrite.ts';
import { isReadableSystemRelation, isSystemSchema } from './system-relations.ts';

export interface Place {
  readonly relation: Relation;
  readonly temporary: boolean;
  /** The client's text leads here whatever else exists on the path: it may be forwarded as written. */
  readonly pinned: boolean;
}

/** Strings of a name list (`[{String}]`); null when it holds anything else. */
export function nameList(value: unknown): string[] | null {
  if (!Array.isArray(value)) return null;
  const names: string[] = [];
  for (const item of value as Body[]) {
    const text = (item['String'] as Body | undefined)?.['sval'];
    if (typeof text !== 'string') return null;
    names.push(text);
  }
  return names;
}

/** Last two parts of a possibly database-qualified name. Null = another database, or too many parts. */
export function splitName(names: readonly string[], database: string): { schema: string | null; name: string } | null {
  const [a, b, c] = names;
  if (names.length === 1 && a !== undefined) return { schema: null, name: a };
  if (names.length === 2 && a !== undefined && b !== undefined) return { schema: a, name: b };
  if (names.length === 3 && a === database && b !== undefined && c !== undefined) return { schema: b, name: c };
  return null;
}

/** Stands in facts for a name that is not of the catalogue, and may be data. */
export const UNKNOWN_NAME = 'an unknown name';

const REMEDIES = {
  relation: 'Check the name; qualify it with its schema. What an open transaction has made can be used after COMMIT.',
  'system-relation': 'Use information_schema or the pg_class family instead.',
  function: 'Use built-in functions, or ask for this one to be vouched for in policy.',
  operator: 'Use built-in operators.',
  type: 'Use built-in types.',
} as const;

/** Name resolution for one statement. */
export class Names {
  readonly #context: PlanContext;
  readonly #vetted: Set<string>;

  constructor(context: PlanContext) {
    this.#context = context;
    this.#vetted = vettedFor(context);
  }

  relation(schema: string | null, name: string): Place | null {
    const { protection, objects, searchPath } = this.#context;
    if (schema === null || schema === 'pg_temp') {
      const temporary = objects.temporary(name);
      if (temporary !== undefined) return { relation: temporary, temporary: true, pinned: false };
      if (schema === 'pg_temp') return null;
    }
    const relation = schema === null ? protection.catalogue.resolveRelation(name, searchPath) : protection.catalogue.relation(schema, name);
    if (relation === undefined) return null;
    const pinned = schema !== null || relation.schema === 'pg_catalog' || relation.schema === searchPath[0];
    return { relation, temporary: false, pinned };
  }

  /** A system relation that must not be read, or null. */
  refusedSystemRelation(relation: Relation): Unknown | null {
    if (!isSystemSchema(relation.schema) || isReadableSystemRelation(relation.schema, relation.name)) return null;
    return unknown('system-relation', relation.qualified);
  }

  /** @returns null when every overload the call may reach is vetted, or vouched for by policy. */
  function(names: readonly string[]): Unknown | null {
    const split = splitName(names, this.#context.protection.catalogue.database);
    if (split === null) return unknown('function', 'a qualified name');
    const { schema, name } = split;
    const refusal = this.#once(`f ${JSON.stringify(split)}`, (catalogue, path, safe) => catalogue.vetFunction(schema, name, path, safe));
    return refusal === null ? null : unknown('function', this.known(name));
  }

  /** Every function a call may reach. */
  overloads(schema: string | null, name: string): FunctionInfo[] {
    const { catalogue } = this.#context.protection;
    const schemas = schema === null ? new Set(['pg_catalog', ...this.#context.searchPath]) : [schema];
    return [...schemas].flatMap((each) => [...catalogue.functions(each, name)]);
  }

  operator(names: readonly string[]): Unknown | null {
    const split = splitName(names, this.#context.protection.catalogue.database);
    if (split === null) return unknown('operator', 'a qualified name');
    const { schema, name } = split;
    const refusal = this.#once(`o ${JSON.stringify(split)}`, (catalogue, path, safe) => catalogue.vetOperator(schema, name, path, safe));
    return refusal !== null ? unknown('operator', 'an operator that is not built in') : null;
  }

  type(names: readonly string[]): Unknown | null {
    const split = splitName(names, this.#context.protection.catalogue.database);
    if (split === null) return unknown('type', 'a qualified name');
    const { schema, name } = split;
    const refusal = this.#once(`t ${JSON.stringify(split)}`, (catalogue, path, safe) => catalogue.vetType(schema, name, path, safe));
    return refusal !== null ? unknown('type', this.known(name)) : null;
  }

  /** `p.name` may call a function of one composite argument. */
  attribute(name: string): Unknown | null {
    const { protection, safeFunctions } = this.#context;
    return protection.catalogue.isAttributeFunction(name, safeFunctions) ? unknown('function', this.known(name)) : null;
  }

  /** A name that may stand in facts: only what the catalogue knows, never free text of the statement. */
  known(name: string): string {
    return this.#context.protection.catalogue.knowsIdentifier(name) ? name : UNKNOWN_NAME;
  }

  /** Asks once per catalogue, path and list of vouched functions. Only consent is kept: it is bounded by the catalogue. */
  #once(key: string, vet: (catalogue: Catalogue, path: readonly string[], safe: ReadonlySet<string>) => string | null): string | null {
    if (this.#vetted.has(key)) return null;
    const { protection, searchPath, safeFunctions } = this.#context;
    const verdict = vet(protection.catalogue, searchPath, safeFunctions);
    if (verdict === null) this.#vetted.add(key);
    return verdict;
  }
}

const vettedNames = new WeakMap<Catalogue, WeakMap<ReadonlySet<string>, Map<string, Set<string>>>>();

function vettedFor({ protection, searchPath, safeFunctions }: PlanContext): Set<string> {
  let bySafe = vettedNames.get(protection.catalogue);
  if (bySafe === undefined) vettedNames.set(protection.catalogue, (bySafe = new WeakMap()));
  let byPath = bySafe.get(safeFunctions);
  if (byPath === undefined) bySafe.set(safeFunctions, (byPath = new Map()));
  const path = JSON.stringify(searchPath);
  let names = byPath.get(path);
  if (names === undefined) byPath.set(path, (names = new Set()));
  return names;
}

export function unknown(code: keyof typeof REMEDIES, what: string): Unknown {
  return { code, what, remedy: REMEDIES[code] };
}
