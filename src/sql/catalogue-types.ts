// Types of a catalogue and whether a cast to them runs only vetted code: casts with functions, checks of domains,
// attributes of composites, functions of ranges. Base types beyond the built-in ones come from vetted extensions.

import type { Refusal } from './catalogue.ts';
import type { ByName, Functions } from './catalogue-functions.ts';
import { ByName as Index, vouched } from './catalogue-functions.ts';
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

export function readTypes(rows: CatalogueRows): ReadonlyMap<number, TypeInfo> {
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

export class Types {
  readonly byOid: ReadonlyMap<number, TypeInfo>;
  readonly byName: ByName<TypeInfo> = new Index<TypeInfo>();
  readonly #code = new Map<number, string[]>();
  readonly #attributes: (relation: number) => readonly number[];
  readonly #subtypes = new Map<number, number>();

  /** @param domainCode domain OID -> unvetted functions its checks run.
   *  @param attributes relation OID -> type OIDs of its columns. */
  constructor(
    rows: CatalogueRows,
    byOid: ReadonlyMap<number, TypeInfo>,
    functions: Functions,
    domainCode: ReadonlyMap<number, readonly string[]>,
    attributes: (relation: number) => readonly number[],
  ) {
    this.byOid = byOid;
    this.#attributes = attributes;
    const add = (type: number, code: readonly string[]): void => {
      if (code.length > 0) this.#code.set(type, [...(this.#code.get(type) ?? []), ...code]);
    };
    for (const type of byOid.values()) {
      this.byName.add(type.schema, type.name, type);
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
    return [...this.#parts(oid)].map((part) => this.byOid.get(part)?.relation ?? 0).filter((relation) => relation !== 0);
  }

  /** The type and everything inside it. */
  #parts(oid: number): ReadonlySet<number> {
    const parts = new Set<number>([oid]);
    for (const part of parts) {
      const type = this.byOid.get(part);
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
