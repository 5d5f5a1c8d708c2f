// The plan of one statement while it is made: what the walk found, what lineage says, and what the adapter needs to know.

import type { Effect, Facts, OutputColumn, Unknown } from '../core/facts.ts';
import { lineage } from './lineage.ts';
import type { Lineage } from './lineage.ts';
import type { MessagePolicy, PlanContext, PlannedStatement, SessionChange } from './plan.ts';
import type { Node } from './parser.ts';
import type { Body, MaskBook } from './rewrite.ts';
import type { StandIns } from './rewrite-text.ts';
import { holdsToken, parameterUses, type PlanTokens, strayToken } from './token-values.ts';
import { refusedOwnSetting } from './settings.ts';
import { STATEMENTS } from './statements.ts';
import { allSubjects, answersRows, copyForm, findSubjects, type FoundSubjects, NO_SUBJECTS } from './subject-uses.ts';
import { Findings, Walker } from './walk.ts';
import { newFrame } from './walk-scope.ts';

export class StatementPlan {
  readonly context: PlanContext;
  readonly masks: MaskBook;
  readonly walker: Walker;
  readonly findings = new Findings();
  /** The statement to send: the client's tree, changed in place or replaced. */
  node: Node;
  verb = '';
  lineages: Lineage[] = [];
  outputs: readonly OutputColumn[] = [];
  /** Facts of a prepared statement or cursor this one runs. */
  inherited: Facts | null = null;
  /** Reads nothing by itself: PREPARE, FETCH of a declared cursor. */
  bounded = false;
  limit: number | null = null;
  readonly changes: SessionChange[] = [];
  transaction: PlannedStatement['transaction'] = null;
  copy: PlannedStatement['copy'] = null;
  /** Of a prepared statement or cursor this one runs. */
  passedSubjects: FoundSubjects = NO_SUBJECTS;
  /** COPY TO in a form that is read for subjects. */
  readonly copyForm: 'text' | 'csv' | null;
  readonly #foundSubjects: FoundSubjects[] = [];
  /** COPY FROM into a column that is shown by tokens. */
  refusesTokens = false;
  #strictMessages = false;

  constructor(node: Node, context: PlanContext, masks: MaskBook, standIns: StandIns, systemColumns: readonly string[]) {
    this.node = node;
    this.context = context;
    this.masks = masks;
    this.copyForm = context.subjects === undefined ? null : copyForm(node);
    this.walker = new Walker(context, masks, this.findings, standIns, systemColumns);
  }

  /** Nothing is masked for this principal. */
  get lenient(): boolean {
    return this.walker.lenient;
  }

  run(): void {
    const [type, body] = tagged(this.node);
    const row = STATEMENTS[type];
    if (row === undefined) {
      this.verb = 'UNKNOWN';
      this.refuse('statement-kind', type, 'This statement is not supported by the gateway.');
      return;
    }
    this.verb = row.verb;
    if (row.plan !== undefined) row.plan(this, body);
    else this.#opaque(type, body, row.opaque ?? []);
  }

  /** A statement whose inside is not analysed: only when there is nothing to protect from it. */
  #opaque(type: string, body: Body, effects: readonly Effect[]): void {
    this.findings.effect(...effects);
    const relation = body['relation'] as Body | undefined;
    if (typeof relation?.['relname'] === 'string') this.useIfKnown(relation);
    for (const name of settingsOf(body)) {
      const own = refusedOwnSetting(name);
      if (own !== null) this.findings.refuse(own);
    }
    if (!this.lenient) this.refuse('statement-kind', type, 'This statement is only for principals who see the data in clear.');
    if (effects.includes('ddl')) this.changes.push({ kind: 'catalogue-changed' });
  }

  /** Records a relation a statement changes, without asking that it exists. */
  useIfKnown(relation: Body): void {
    const schema = relation['schemaname'];
    const place = this.walker.names.relation(typeof schema === 'string' ? schema : null, String(relation['relname']));
    if (place !== null) this.findings.use(place.temporary ? `pg_temp.${place.relation.name}` : place.relation.qualified, 'write');
  }

  /** Takes lineage of a query or write, then walks and rewrites it. @returns the node to put in its place. */
  analyse(node: Node): Node {
    const found = lineage(node, {
      catalogue: this.context.protection.catalogue,
      searchPath: this.context.searchPath,
      temporary: (name) => this.context.objects.temporary(name),
      wantsEvidence: this.context.subjects !== undefined,
    });
    // Before the walk as well.
    if (this.context.subjects !== undefined)
      this.#foundSubjects.push(findSubjects(found.evidence ?? null, answersRows(this.node), this.context, () => parameterUses(node)));
    this.lineages.push(found);
    this.limit = found.limit;
    this.walker.root = node;
    // Before the walk: it puts other things in the place of parameters.
    const uses = this.walker.tokens === null || 'SelectStmt' in node ? null : parameterUses(node);
    const walked = this.walker.node(node, newFrame(null)) as Node;
    this.#refuseStores(found);
    this.#refuseStrayTokens(walked, uses);
    return walked;
  }

  /** Masked values must not end up in a table, where they would look like data. */
  #refuseStores(found: Lineage): void {
    for (const write of found.writes) {
      if (write.sources.some((source) => this.masks.maskedColumns.has(source))) this.refuseStore(write.column);
    }
  }

  /** An expression is stored in a column of tokens: no token may be where it could get into it. */
  #refuseStrayTokens(node: Node, uses: ReadonlyMap<number, readonly Body[]> | null): void {
    const { tokens, checkedTokens } = this.walker;
    if (tokens === null || !this.findings.refusesOtherTokens) return;
    for (const [number, places] of uses ?? []) {
      if (!places.every((each) => checkedTokens.has(each)))
        this.findings.tokenParameters.push({ number, className: null, use: 'none', column: '', inside: true });
    }
    if (holdsToken(node, tokens, (constant) => checkedTokens.has(constant))) this.findings.refuse(strayToken(''));
  }

  /** What the statement asks of its parameters, if anything. */
  get planTokens(): PlanTokens | null {
    const { tokenParameters: parameters, refusesOtherTokens: refusesOthers } = this.findings;
    return parameters.length === 0 && !refusesOthers ? null : { parameters, refusesOthers };
  }

  /** Whose data it touches, once it was walked. */
  get subjects(): FoundSubjects {
    const { subjects } = this.context;
    if (subjects === undefined) return NO_SUBJECTS;
    const relations = this.findings.relations.map(({ name }) => name);
    const runsCode = this.findings.effects.includes('call');
    return allSubjects([...this.#foundSubjects, this.passedSubjects], subjects, runsCode ? null : relations);
  }

  refuseStore(column: string): void {
    this.refuse('write-of-protected', `${column}: a masked value would be stored`, 'Store unmasked columns, literals or parameters only.');
  }

  /** Output columns of a lineage with their classes. Facts go into records: a name that is neither of the catalogue nor
   *  a plain word may be data, and is not shown. */
  classified(found: Lineage): OutputColumn[] {
    const { catalogue } = this.context.protection;
    return found.outputs.map(({ name, sources }) => {
      const shown = /^[A-Za-z_][A-Za-z_ ]{0,40}\d{0,3}$/.test(name) || name === '?column?' || catalogue.knowsIdentifier(name);
      return { name: shown ? name : '?', sources, classes: this.classesOf(sources) };
    });
  }

  classesOf(columns: readonly string[]): string[] {
    const classes = new Set<string>();
    for (const column of columns) for (const each of this.context.protection.columns.get(column) ?? []) classes.add(each);
    return [...classes].sort();
  }

  refuse(code: Unknown['code'], what: string, remedy: string): void {
    this.findings.refuse({ code, what, remedy });
  }

  /** Opaque code may run in this statement, whatever it names: a commit runs deferred triggers. */
  hideMessages(): void {
    this.#strictMessages = true;
  }

  get messages(): MessagePolicy {
    if (this.lenient) return 'pass';
    if (this.#strictMessages || this.findings.sensitive) return 'code-only';
    return this.findings.writes ? 'trim' : 'pass';
  }
}

/** Settings that CREATE FUNCTION and ALTER FUNCTION bind to a function. */
function settingsOf(body: Body): string[] {
  return [body['options'], body['actions']].flatMap((list) =>
    (Array.isArray(list) ? (list as Body[]) : []).flatMap((option) => {
      const set = ((option['DefElem'] as Body | undefined)?.['arg'] as Body | undefined)?.['VariableSetStmt'] as Body | undefined;
      return typeof set?.['name'] === 'string' ? [set['name']] : [];
    }),
  );
}

/** Type and fields of a tagged node. */
export function tagged(node: Node): [string, Body] {
  const [entry] = Object.entries(node);
  return entry === undefined ? ['', {}] : [entry[0], entry[1] as Body];
}
