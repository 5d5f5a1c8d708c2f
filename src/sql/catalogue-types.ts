// Types of a catalogue and whether a cast to them runs only vetted code: casts with functions, checks of domains,
// attributes of composites, functions of ranges. Base types beyond the built-in ones come from vetted extensions.

import type { Refusal } from './catalogue.ts';
import type { Functions } from './catalogue-functions.ts';
import { ByName, vouched } from './catalogue-functions.ts';
import { FIRST_USER_OID } from './catalogue-queries.ts';
import type { CatalogueRows } from './catalogue-queries.ts';
import { isVettedExtensionType } from './vetted-functions.ts';

export interface TypeInfo {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** As `format_type` prints it without a modifier. */
  readonly text: string;
  readonly kind: string;
  readonly relation: number;
  /** Element type of an array, otherwise 0. */
  readonly element: number;
  readonly base: number;
  readonly extension: string | null;
}

/** OID of a type, of any that there is. */
export type FindType = (oid: number) => TypeInfo | undefined;

export function readTypes(rows: Pick<CatalogueRows, 'types'>): ReadonlyMap<number, TypeInfo> {
  const types = new Map<number, TypeInfo>();
  for (const [oid, schema, name, text, kind, relation, element, isArray, base, extension] of rows.types) {
    types.set(Number(oid), {
      oid: Number(oid),
      schema: schema ?? '',
      name: name ?? '',
      text: text ?? '',
      kind: kind ?? '',
      relation: Number(relation),
      element: isArray === 't' ? Number(element) : 0,
      base: Number(base),
      extension: extension ?? null,
    });
  }
  return types;
}

/** @returns `names`, with the types added */
export function nameTypes(types: Iterable<TypeInfo>, names: ByName<TypeInfo>): ByName<TypeInfo> {
  for (const type of types) names.add(type.schema, type.name, type);
  return names;
}

/** Names of unvetted functions that `p.name` may call: one argument that a row can be given to, directly, through a
 *  polymorphic type, or through a cast from a row type. */
export function findAttributeFunctions(functions: Functions, find: FindType): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const info of functions.unvetted()) {
    const shape = functions.shape(info.oid);
    const type = find(shape.firstArgType ?? 0);
    if (!shape.takesOne || type === undefined || info.kind === 'procedure') continue;
    // Composite types, domains over them, polymorphic and other pseudo-types; and user types, which a row may be cast to.
    if (!['c', 'd', 'p'].includes(type.kind) && type.oid < FIRST_USER_OID) continue;
    if (['internal', 'cstring'].includes(type.name)) continue;
    found.set(info.name, [...(found.get(info.name) ?? []), info.signature]);
  }
  return found;
}

export class Types {
  readonly byName: ByName<TypeInfo>;
  readonly #find: FindType;
  readonly #code = new Map<number, string[]>();
  readonly #attributes: (relation: number) => readonly number[];
  readonly #subtypes = new Map<number, number>();

  /** @param own the types of the rows
   *  @param find of those and of `base`
   *  @param base names of what initdb made: types whose values run no code but that of casts to them
   *  @param domainCode domain OID -> unvetted functions its checks run.
   *  @param attributes relation OID -> type OIDs of its columns. */
  constructor(
    rows: CatalogueRows,
    own: readonly TypeInfo[],
    find: FindType,
    base: ByName<TypeInfo>,
    functions: Functions,
    domainCode: ReadonlyMap<number, readonly string[]>,
    attributes: (relation: number) => readonly number[],
  ) {
    this.#find = find;
    this.byName = nameTypes(own, new ByName(base));
    this.#attributes = attributes;
    const add = (type: number, code: readonly string[]): void => {
      if (code.length > 0) this.#code.set(type, [...(this.#code.get(type) ?? []), ...code]);
    };
    for (const type of own) {
      if (
        type.kind === 'b' &&
        type.element === 0 &&
        type.oid >= FIRST_USER_OID &&
        (type.extension === null || !isVettedExtensionType(type.extension))
      ) {
        add(type.oid, [`${type.schema}.${type.name}`]);
      }
    }
    for (const [range, subtype, runs] of rows.ranges) {
      this.#subtypes.set(Number(range), Number(subtype));
      add(
        Number(range),
        (runs ?? '')
          .split(' ')
          .filter(Boolean)
          .filter((fn) => !functions.isVetted(Number(fn)))
          .map((fn) => functions.signature(Number(fn))),
      );
    }
    for (const [, target, fn] of rows.casts) {
      if (Number(fn) !== 0 && !functions.isVetted(Number(fn))) add(Number(target), [functions.signature(Number(fn))]);
    }
    for (const [domain, code] of domainCode) add(domain, code);
  }

  /** @returns undefined when there is no such type. */
  vet(schema: string | null, name: string, searchPath: readonly string[], safe: ReadonlySet<string>): Refusal | undefined {
    let found = false;
    for (const type of this.byName.reachable(schema, name, searchPath)) {
      found = true;
      const refused = this.codeOf(type.oid).find((code) => !vouched(code, safe));
      if (refused !== undefined) return refused;
    }
    return found ? null : undefined;
  }

  /** Unvetted code that making a value of this type may run. */
  codeOf(oid: number): readonly string[] {
    const found: string[] = [];
    for (const part of this.#parts(oid)) found.push(...(this.#code.get(part) ?? []));
    return found;
  }

  /** Relations whose row type is part of this type. */
  rowTypesIn(oid: number): readonly number[] {
    if (oid < FIRST_USER_OID) return [];
    return [...this.#parts(oid)].map((part) => this.#find(part)?.relation ?? 0).filter((relation) => relation !== 0);
  }

  /** The type and everything inside it. */
  #parts(oid: number): ReadonlySet<number> {
    const parts = new Set<number>([oid]);
    for (const part of parts) {
      const type = this.#find(part);
      if (type === undefined) continue;
      if (type.element !== 0) parts.add(type.element);
      if (type.base !== 0) parts.add(type.base);
      if (type.relation !== 0) for (const attribute of this.#attributes(type.relation)) parts.add(attribute);
      const subtype = this.#subtypes.get(part);
      if (subtype !== undefined) parts.add(subtype);
      // The range behind a user's multirange is not in the catalogue rows: count every range.
      if (type.kind === 'm' && part >= FIRST_USER_OID) for (const range of this.#subtypes.keys()) parts.add(range);
    }
    return parts;
  }
}
