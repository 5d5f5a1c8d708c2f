// access_by_identity.csv: one row for each principal, sponsor and target. Its log index and leaf are those of the newest entry counted.

import { csvLine } from './csv.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';
import { joined } from './event-tables.ts';
import type { Actor } from './fields.ts';
import { actorOf, countOf, listOf, memberOf, objectOf, textOf, textsOf } from './fields.ts';

const PATH = 'records/access_by_identity.csv';

const COLUMNS = [
  'log_index',
  'leaf_sha256',
  'issuer',
  'subject',
  'kind',
  'sponsor_issuer',
  'sponsor_subject',
  'sponsor_kind',
  'target',
  'sessions',
  'requests_run',
  'requests_held',
  'requests_denied',
  'failed_logins',
  'rows',
  'bytes',
  'classes_masked',
  'classes_clear',
  'first_time',
  'last_time',
] as const;

export interface IdentityUse {
  readonly actor: Actor;
  readonly sponsor: Actor | null;
  readonly target: string;
  sessions: number;
  run: number;
  held: number;
  denied: number;
  failedLogins: number;
  rows: number;
  bytes: number;
  readonly masked: Set<string>;
  readonly clear: Set<string>;
  firstTime: string;
  lastTime: string;
  index: number;
  leaf: string;
}

export class IdentityTable implements Part {
  readonly #sink: Sink;
  readonly #uses = new Map<string, IdentityUse>();

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** In order of name. */
  uses(): IdentityUse[] {
    return [...this.#uses].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, use]) => use);
  }

  push({ index, leaf, header }: RangeEntry): void {
    const type = textOf(header['type']);
    if (!/^(?:session\.open|request\.|auth\.fail)/.test(type)) return;
    const actor = actorOf(header['principal']);
    if (actor === null) return;
    const sponsor = actorOf(header['onBehalfOf']);
    const target = textOf(memberOf(header, 'resource', 'target'));
    const key = JSON.stringify([actor.issuer, actor.subject, actor.kind, sponsor, target]);
    let use = this.#uses.get(key);
    const time = textOf(header['ts']);
    if (use === undefined) {
      use = {
        actor,
        sponsor,
        target,
        sessions: 0,
        run: 0,
        held: 0,
        denied: 0,
        failedLogins: 0,
        rows: 0,
        bytes: 0,
        masked: new Set(),
        clear: new Set(),
        firstTime: time,
        lastTime: time,
        index,
        leaf,
      };
      this.#uses.set(key, use);
    }
    use.lastTime = time;
    use.index = index;
    use.leaf = leaf;
    if (type === 'session.open') use.sessions += 1;
    else if (type === 'auth.fail') use.failedLogins += 1;
    else if (type === 'request.intent') use.run += 1;
    else if (type === 'request.held') use.held += 1;
    else if (type === 'request.denied') use.denied += 1;
    else if (type === 'request.result') {
      const result = objectOf(header['result']) ?? {};
      use.rows += countOf(result['rows']);
      use.bytes += countOf(result['bytes']);
      for (const { isClear, classes } of shownColumns(result)) for (const name of classes) (isClear ? use.clear : use.masked).add(name);
    }
  }

  end(): void {
    this.#sink.write(PATH, csvLine(COLUMNS));
    for (const use of this.uses()) {
      const { actor, sponsor } = use;
      this.#sink.write(
        PATH,
        csvLine([
          use.index,
          use.leaf,
          actor.issuer,
          actor.subject,
          actor.kind,
          sponsor?.issuer ?? null,
          sponsor?.subject ?? null,
          sponsor?.kind ?? null,
          use.target,
          use.sessions,
          use.run,
          use.held,
          use.denied,
          use.failedLogins,
          use.rows,
          use.bytes,
          joined([...use.masked].toSorted()),
          joined([...use.clear].toSorted()),
          use.firstTime,
          use.lastTime,
        ]),
      );
    }
  }
}

type ShownColumns = readonly { readonly isClear: boolean; readonly mask: string; readonly classes: string[] }[];

/** Of the columns asked for last. WHY: two tables ask for each result of millions. */
let last: { readonly columns: unknown; readonly shown: ShownColumns } = { columns: null, shown: [] };

/** Protected columns of a result. */
export function shownColumns(result: unknown): ShownColumns {
  const columns = memberOf(result, 'columns');
  if (columns !== last.columns) {
    const shown = listOf(columns).flatMap((each) => {
      const column = objectOf(each) ?? {};
      const classes = textsOf(column['classes']);
      const mask = textOf(column['mask']);
      return classes.length === 0 ? [] : [{ isClear: mask === 'clear', mask, classes }];
    });
    last = { columns, shown };
  }
  return last.shown;
}
