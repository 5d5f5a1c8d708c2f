// Functions and operators of a catalogue and whether a statement may call them. Vetting goes by name: PostgreSQL picks
// the overload from the types, which the gateway does not infer, so every overload that can be reached must be vetted.

import type { FunctionInfo, Refusal } from './catalogue.ts';
import { FIRST_USER_OID } from './catalogue-queries.ts';
import type { CatalogueRows } from './catalogue-queries.ts';
import { HARMLESS_IN_DEFINITIONS, isVettedBuiltin, isVettedExtensionFunction } from './vetted-functions.ts';

const KINDS: Readonly<Record<string, FunctionInfo['kind']>> = { f: 'function', a: 'aggregate', w: 'window', p: 'procedure' };
const VOLATILITIES: Readonly<Record<string, FunctionInfo['volatility']>> = { i: 'immutable', s: 'stable', v: 'volatile' };
const NOTHING: readonly never[] = [];

export interface CallShape {
  /** Can be called with one argument. */
  readonly takesOne: boolean;
  readonly firstArgType: number | null;
}

/** schema -> name -> entries, behind those of `base`. */
export class ByName<T> {
  readonly #schemas = new Map<string, Map<string, T[]>>();
  readonly #base: ByName<T> | null;

  constructor(base: ByName<T> | null = null) {
    this.#base = base;
  }

  add(schema: string, name: string, entry: T): void {
    let names = this.#schemas.get(schema);
    if (names === undefined) this.#schemas.set(schema, (names = new Map<string, T[]>()));
    const entries = names.get(name);
    if (entries === undefined) names.set(name, [entry]);
    else entries.push(entry);
  }

  get(schema: string, name: string): readonly T[] {
    const own = this.#schemas.get(schema)?.get(name) ?? NOTHING;
    const base = this.#base?.get(schema, name) ?? NOTHING;
    if (base.length === 0) return own;
    return own.length === 0 ? base : [...base, ...own];
  }

  /** Entries of every schema the name may be found in; `schema` null = pg_catalog and the path. */
  *reachable(schema: string | null, name: string, searchPath: readonly string[]): Generator<T> {
    if (schema !== null) return yield* this.get(schema, name);
    yield* this.get('pg_catalog', name);
    for (const each of searchPath) if (each !== 'pg_catalog') yield* this.get(each, name);
  }

  /** Without those of `base`. */
  *names(): Generator<string> {
    for (const names of this.#schemas.values()) yield* names.keys();
  }
}

interface Operator {
  readonly functionOid: number;
  readonly builtin: boolean;
}

export type FunctionRows = Pick<CatalogueRows, 'functions' | 'aggregates' | 'operators'>;

export class Functions {
  readonly byName: ByName<FunctionInfo>;
  readonly #base: Functions | null;
  readonly #byOid = new Map<number, FunctionInfo>();
  readonly #operators: ByName<Operator>;
  readonly #operatorByOid = new Map<number, Operator>();
  readonly #unvetted = new Set<number>();
  readonly #unvettedBuiltinNames = new Set<string>();
  readonly #shapes = new Map<number, CallShape>();

  /** @param typeName type OID -> its name, as `format_type` prints it.
   *  @param base what the rows come on top of */
  constructor(rows: FunctionRows, typeName: (oid: number) => string, serverVersionNum: number, base: Functions | null = null) {
    this.#base = base;
    this.byName = new ByName(base?.byName);
    this.#operators = new ByName(base === null ? null : base.#operators);
    for (const row of rows.functions) {
      const [
        oid = '',
        schema = '',
        name = '',
        kind,
        volatility,
        language,
        returnsSet,
        definer,
        args,
        defaults,
        variadic,
        returns,
        extension,
      ] = row;
      const argOids = (args ?? '').split(' ').filter(Boolean).map(Number);
      const argTypes = argOids.map(typeName);
      const info: FunctionInfo = {
        oid: Number(oid),
        schema: schema ?? '',
        name: name ?? '',
        argTypes,
        signature: `${schema}.${name}(${argTypes.join(',')})`,
        kind: KINDS[kind ?? ''] ?? 'procedure',
        volatility: VOLATILITIES[volatility ?? ''] ?? 'volatile',
        language: language ?? '',
        returnsSet: returnsSet === 't',
        extension: extension ?? null,
        securityDefiner: definer === 't',
      };
      this.#byOid.set(info.oid, info);
      this.byName.add(info.schema, info.name, info);
      this.#shapes.set(info.oid, {
        takesOne: argOids.length >= 1 && argOids.length - Number(defaults) - (variadic === 't' ? 1 : 0) <= 1,
        firstArgType: argOids[0] ?? null,
      });
      if (!vetted(info, typeName(Number(returns)))) {
        this.#unvetted.add(info.oid);
        if (info.oid < FIRST_USER_OID && !HARMLESS_IN_DEFINITIONS.has(info.name)) this.#unvettedBuiltinNames.add(info.name);
      }
    }
    this.#addOlderSpellings(serverVersionNum);
    for (const [oid, runs] of rows.aggregates) {
      const support = (runs ?? '').split(' ').filter(Boolean).map(Number);
      if (support.every((fn) => this.isVetted(fn) || isSupport(this.info(fn)))) this.#unvetted.delete(Number(oid));
    }
    for (const [oid, schema, name, fn] of rows.operators) {
      const operator = { functionOid: Number(fn), builtin: Number(oid) < FIRST_USER_OID };
      this.#operatorByOid.set(Number(oid), operator);
      this.#operators.add(schema ?? '', name ?? '', operator);
    }
  }

  /** The parser is PostgreSQL 18's. What it calls `pg_catalog.extract` an older server calls date_part, and what it reads as
   *  the built-in json_object is an ordinary name there, that a function of any schema on the path may have. */
  #addOlderSpellings(serverVersionNum: number): void {
    for (const info of this.#byOid.values()) {
      if (serverVersionNum < 140_000 && info.schema === 'pg_catalog' && info.name === 'date_part') {
        this.byName.add('pg_catalog', 'extract', info);
      }
      if (serverVersionNum < 160_000 && info.schema !== 'pg_catalog' && info.name === 'json_object') {
        this.byName.add('pg_catalog', 'json_object', info);
      }
    }
  }

  info(oid: number): FunctionInfo | undefined {
    return this.#byOid.get(oid) ?? this.#base?.info(oid);
  }

  /** Without those of `base`. */
  shape(oid: number): CallShape {
    return this.#shapes.get(oid) ?? { takesOne: true, firstArgType: null };
  }

  isVetted(oid: number): boolean {
    return this.#byOid.has(oid) ? !this.#unvetted.has(oid) : this.#base?.isVetted(oid) === true;
  }

  /** Without those of `base`. */
  *unvetted(): Generator<FunctionInfo> {
    for (const oid of this.#unvetted) {
      const info = this.#byOid.get(oid);
      if (info !== undefined) yield info;
    }
  }

  signature(oid: number): string {
    return this.info(oid)?.signature ?? 'unknown function';
  }

  /** @returns undefined when there is no such function. */
  vet(schema: string | null, name: string, searchPath: readonly string[], safe: ReadonlySet<string>): Refusal | undefined {
    let found = false;
    for (const info of this.byName.reachable(schema, name, searchPath)) {
      found = true;
      if (!this.isVetted(info.oid) && !vouched(info.signature, safe)) return info.signature;
    }
    return found ? null : undefined;
  }

  vetOperator(schema: string | null, name: string, searchPath: readonly string[], safe: ReadonlySet<string>): Refusal {
    let found = false;
    for (const operator of this.#operators.reachable(schema, name, searchPath)) {
      found = true;
      if (!this.#isVettedOperator(operator) && !vouched(this.signature(operator.functionOid), safe))
        return this.signature(operator.functionOid);
    }
    return found ? null : 'unknown operator';
  }

  /** Signature of the unvetted function behind an object that a definition uses, or null. */
  unvettedUse(catalogue: string, oid: number): string | null {
    if (catalogue === 'pg_proc') return this.isVetted(oid) ? null : this.signature(oid);
    const operator = this.#operator(oid);
    if (operator === undefined) return 'unknown operator';
    return this.#isVettedOperator(operator) ? null : this.signature(operator.functionOid);
  }

  /** Unvetted built-ins that an expression text of the server calls. Texts name built-ins without a schema; the server
   *  keeps no dependencies on them. User functions are found by dependency instead. */
  unvettedBuiltinsIn(text: string | null): readonly string[] {
    if (text === null || text === '') return NOTHING;
    const found: string[] = [];
    for (const [, name = ''] of text.matchAll(/([A-Za-z_][\w$]*)"?\s*\(/g)) {
      if (this.#isUnvettedBuiltin(name)) found.push(`pg_catalog.${name}`);
    }
    return found;
  }

  #operator(oid: number): Operator | undefined {
    const operator = this.#operatorByOid.get(oid);
    return operator !== undefined || this.#base === null ? operator : this.#base.#operator(oid);
  }

  #isUnvettedBuiltin(name: string): boolean {
    return this.#unvettedBuiltinNames.has(name) || (this.#base !== null && this.#base.#isUnvettedBuiltin(name));
  }

  #isVettedOperator(operator: Operator): boolean {
    return operator.builtin || this.isVetted(operator.functionOid);
  }
}

function vetted(info: FunctionInfo, returnType: string): boolean {
  if (info.oid < FIRST_USER_OID) {
    if (info.schema === 'information_schema') return info.volatility !== 'volatile';
    return info.schema === 'pg_catalog' && isVettedBuiltin({ ...info, returnType });
  }
  return info.extension !== null && info.kind !== 'procedure' && isVettedExtensionFunction(info.extension, info.name, info.volatility);
}

/** Built-in support functions of aggregates take `internal`, so they cannot be called by name but are pure. */
function isSupport(info: FunctionInfo | undefined): boolean {
  return info !== undefined && info.oid < FIRST_USER_OID && info.volatility === 'immutable' && info.argTypes.includes('internal');
}

/** Policy writes signatures as PostgreSQL prints them, with or without a blank after the comma. */
export function vouched(signature: string, safe: ReadonlySet<string>): boolean {
  return safe.size > 0 && (safe.has(signature) || safe.has(signature.replaceAll(',', ', ')));
}
