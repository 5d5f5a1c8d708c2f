// The walk over one statement: checks every node and field against the table, resolves every name, and puts masked
// stand-ins where protected relations are read. It changes the tree in place; the tree is owned by the caller.
// REFUSES: nodes, fields, relations, functions, operators and types that are not known to be safe.

import type { Effect, RelationUse, Unknown } from '../core/facts.ts';
import { EFFECTS } from '../core/facts.ts';
import type { Column, Relation } from './catalogue.ts';
import { sureParameters } from './lookup-values.ts';
import { NODE_TABLE } from './node-table.ts';
import type { PlanContext } from './plan.ts';
import { Names } from './resolve.ts';
import { handlers } from './walk-handlers.ts';
import type { Body, MaskBook } from './rewrite.ts';
import type { NameEdit, StandIns } from './rewrite-text.ts';
import type { TextValue, TokenColumn, TokenParameter, TokenPlace, Tokens } from './token-values.ts';
import type { Frame } from './walk-scope.ts';

const REMEDY_NODE = 'Write the statement without this construct.';
const REMEDY_WRITE =
  'Select rows by unmasked columns such as the primary key, write literals or parameters, and name unmasked columns in RETURNING.';
const MAX_UNKNOWNS = 20;

/** What a walk found out. */
export class Findings {
  readonly #unknowns = new Map<string, Unknown>();
  readonly #relations = new Map<string, RelationUse>();
  readonly #effects = new Set<Effect>();
  /** The tree no longer means what the client's text means on the server. */
  changed = false;
  /** Server messages may carry protected values: opaque code or a view over protected data is involved. */
  sensitive = false;
  /** Its plan shows more than its rows: filters, row counts or partitions that protected values decide. */
  tellingPlan = false;
  /** Equalities that are applied to stored columns. */
  lookups = 0;
  /** Parameters that may hold tokens, and what each place asks of them. */
  readonly tokenParameters: TokenParameter[] = [];
  /** A column of tokens is written by an expression. */
  refusesOtherTokens = false;
  /** Columns that were compared with constants that are tokens, as lineage names them. */
  readonly comparedByToken = new Set<string>();
  /** Writes rows, so DETAIL of an error may show a row. */
  writes = false;

  refuse(reason: Unknown): void {
    if (this.#unknowns.size < MAX_UNKNOWNS) this.#unknowns.set(`${reason.code} ${reason.what}`, reason);
  }

  use(name: string, access: RelationUse['access']): void {
    this.#relations.set(`${name} ${access}`, { name, access });
  }

  effect(...effects: readonly Effect[]): void {
    for (const effect of effects) this.#effects.add(effect);
  }

  get unknowns(): Unknown[] {
    return [...this.#unknowns.values()];
  }

  get relations(): RelationUse[] {
    return [...this.#relations.values()];
  }

  get effects(): Effect[] {
    return EFFECTS.filter((effect) => this.#effects.has(effect));
  }
}

export class Walker {
  readonly context: PlanContext;
  readonly masks: MaskBook;
  readonly names: Names;
  readonly findings: Findings;
  /** Nothing is masked for this principal: unvetted code is allowed and shows up as effects. */
  readonly lenient: boolean;
  /** System columns to carry through stand-ins. */
  readonly systemColumns: readonly string[];
  #ctes = 0;
  /** The statement as it is walked. */
  root: unknown = null;
  #sureParameters: ReadonlySet<number> | null = null;
  /** Columns of a raw target that a look-up may read. */
  readonly rawLookups = new WeakSet<Body>();

  /** Null: nothing is shown by tokens to this principal. */
  readonly tokens: Tokens | null;

  /** Constants that were checked where they stand, and parameters that are noted for Bind. */
  readonly checkedTokens = new WeakSet<Body>();

  /** Stand-ins and name edits of the whole client text. */
  readonly standIns: StandIns;
  readonly edits: NameEdit[] = [];

  constructor(context: PlanContext, masks: MaskBook, findings: Findings, standIns: StandIns, systemColumns: readonly string[]) {
    this.context = context;
    this.masks = masks;
    this.findings = findings;
    this.standIns = standIns;
    this.names = new Names(context);
    this.lenient = !masks.anyMasked;
    this.tokens = this.lenient ? null : context.tokens;
    this.systemColumns = systemColumns;
  }

  /** Walks a tagged node. @returns the node to put in its place. */
  node(node: unknown, frame: Frame): unknown {
    if (node === null || typeof node !== 'object') return node;
    const keys = Object.keys(node);
    const type = keys[0];
    // libpg_query prints an absent list element as an empty object.
    if (type === undefined) return node;
    const body: unknown = Reflect.get(node, type);
    if (keys.length !== 1 || body === null || typeof body !== 'object') {
      this.refuseNode(type);
      return node;
    }
    return this.typed(type, body as Body, frame) ?? node;
  }

  /** Walks a node whose type is known from its place. @returns a tagged replacement, or null to keep it. */
  typed(type: string, body: Body, frame: Frame): unknown {
    const handler = handlers[type];
    if (handler !== undefined) return handler(this, body, frame);
    this.fields(type, body, frame);
    return null;
  }

  /** Walks a list in place. */
  list(list: unknown, frame: Frame): void {
    if (!Array.isArray(list)) return;
    for (let index = 0; index < list.length; index++) list[index] = this.node(list[index], frame);
  }

  /** Checks all fields of a node against the table and walks those that hold nodes. `own` ones are the handler's. */
  fields(type: string, body: Body, frame: Frame): void {
    const row = NODE_TABLE[type];
    if (row === undefined) {
      this.refuseNode(type);
      return;
    }
    if (row.since !== undefined && this.context.protection.catalogue.serverVersionNum < row.since) {
      this.findings.refuse({ code: 'server-version', what: type, remedy: 'Use a construct this server version knows.' });
    }
    for (const field of Object.keys(body)) {
      const role = row.fields[field];
      if (role === undefined) {
        this.refuseNode(`${type}.${field}`);
      } else if (role === 'node') {
        this.child(body, field, frame);
      } else if (typeof role === 'object') {
        this.typedChild(body, field, role.as, frame);
      }
    }
  }

  child(body: Body, field: string, frame: Frame): void {
    const value = body[field];
    if (Array.isArray(value)) this.list(value, frame);
    else if (value !== undefined) body[field] = this.node(value, frame);
  }

  /** A child of known type without its tag. Such a place cannot take a replacement of another type. */
  typedChild(body: Body, field: string, type: string, frame: Frame): void {
    const value = body[field];
    if (value === undefined || value === null) return;
    if (typeof value !== 'object') this.refuseNode(`${type}.${field}`);
    else this.typed(type, value as Body, frame);
  }

  /** True when the field names are all in the table; for handlers that read every field themselves. */
  known(type: string, body: Body): boolean {
    const row = NODE_TABLE[type];
    const stranger = Object.keys(body).find((field) => row?.fields[field] === undefined);
    if (stranger !== undefined) this.refuseNode(`${type}.${stranger}`);
    return stranger === undefined;
  }

  refuseNode(what: string): void {
    this.findings.refuse({ code: 'node-kind', what, remedy: REMEDY_NODE });
  }

  refuseWrite(relation: Relation, why: 'reads' | 'stores' | 'key'): void {
    const what =
      why === 'reads'
        ? `${relation.qualified}: a masked column of the table being written is read`
        : why === 'stores'
          ? `${relation.qualified}: a masked value would be stored`
          : `${relation.qualified}: a masked column with a unique key is written`;
    this.findings.refuse({ code: 'write-of-protected', what, remedy: REMEDY_WRITE });
  }

  /** Notes that a RangeVar is written as `text` from now on. */
  edit(range: Body, text: string, { dropOnly }: { readonly dropOnly: boolean } = { dropOnly: false }): void {
    const parts = 1 + Number(range['schemaname'] !== undefined) + Number(range['catalogname'] !== undefined);
    this.editName(range, parts, text, dropOnly);
  }

  /** Same for the first `parts` names at the place of any node. */
  editName(node: Body, parts: number, text: string, dropOnly = false): void {
    const at = typeof node['location'] === 'number' ? node['location'] : 0;
    this.edits.push({ at, parts, text, dropOnly });
  }

  /** A refusal of vetting: fatal while anything is masked, else an effect. */
  unvetted(reason: Unknown | null, ...effects: readonly Effect[]): void {
    if (reason === null) return;
    if (this.lenient) this.findings.effect('call', ...effects);
    else this.findings.refuse(reason);
  }

  /** The type of a parameter does not depend on where it stands first. */
  hasSureType(parameter: number): boolean {
    this.#sureParameters ??= sureParameters(this.root);
    return this.#sureParameters.has(parameter);
  }

  /** Bind looks at a parameter. */
  noteParameter({ parameter, source }: TextValue, place: TokenPlace): void {
    this.checkedTokens.add(source);
    this.findings.tokenParameters.push({ ...place, number: parameter });
  }

  /** What a masked column shows in place of its values, when that is tokens. */
  tokenColumn(relation: Relation, column: Column): TokenColumn | null {
    if (this.tokens === null || this.masks.masked(relation)?.masked.has(column.name) !== true) return null;
    return this.tokens.columnOf(relation, column, this.context.protection.classesOf(relation.oid, column.name));
  }

  /** Fresh name for a CTE: a scoping mistake of ours then names nothing on the server. */
  cteName(name: string): string {
    this.#ctes += 1;
    return `sp_c${this.#ctes}_${name.replaceAll(/[^a-z0-9_]/g, '_').slice(0, 40)}`;
  }
}
