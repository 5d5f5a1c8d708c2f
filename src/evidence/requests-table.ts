// requests.csv: one row for each request, with its result. Intent and result are two entries; a row names both.

import type { Cell } from './csv.ts';
import { csvLine } from './csv.ts';
import type { Part, RangeEntry, Sink } from './derivation.ts';
import { joined } from './event-tables.ts';
import type { Header } from './fields.ts';
import { actorOf, countOf, listOf, memberOf, objectOf, textOf, textsOf } from './fields.ts';

const PATH = 'records/requests.csv';

const COLUMNS = [
  'log_index',
  'leaf_sha256',
  'time',
  'outcome',
  'issuer',
  'subject',
  'kind',
  'sponsor_issuer',
  'sponsor_subject',
  'session',
  'target',
  'action',
  'effects',
  'relations',
  'classes',
  'reasons',
  'rules',
  'approval',
  'policy_sha256',
  'statement',
  'fingerprint',
  'parameters',
  'result_index',
  'result_leaf_sha256',
  'code',
  'rows',
  'bytes',
  'ms',
  'shown',
] as const;

const OUTCOMES: Readonly<Record<string, string>> = { 'request.denied': 'denied', 'request.held': 'held' };
const NO_RESULT: readonly Cell[] = ['', '', '', '', '', '', ''];

export class RequestsTable implements Part {
  readonly #sink: Sink;
  /** Requests without their result so far, by log index. */
  readonly #open = new Map<number, readonly Cell[]>();
  rows = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.write(PATH, csvLine(COLUMNS));
  }

  push({ index, leaf, header }: RangeEntry): void {
    const type = textOf(header['type']);
    if (type === 'request.intent') {
      // A statement under approval runs when it was approved.
      const outcome = textOf(header['approval']) !== '' ? 'approved' : textOf(header['decision']) === 'hold' ? 'prepared' : 'allowed';
      this.#open.set(index, askedCells(index, leaf, header, outcome));
    } else if (type === 'request.result') {
      const intent = header['intent'];
      const asked = typeof intent === 'number' ? this.#open.get(intent) : undefined;
      if (typeof intent === 'number') this.#open.delete(intent);
      // Its intent lies before the range.
      this.#row(asked ?? askedCells(index, leaf, header, 'before the range'), [
        index,
        leaf,
        ...resultCells(objectOf(header['result']) ?? {}),
      ]);
    } else {
      const outcome = OUTCOMES[type];
      if (outcome !== undefined) this.#row(askedCells(index, leaf, header, outcome), NO_RESULT);
    }
  }

  end(): void {
    for (const cells of this.#open.values()) this.#row(cells, NO_RESULT);
    this.#open.clear();
  }

  #row(asked: readonly Cell[], result: readonly Cell[]): void {
    this.rows += 1;
    this.#sink.write(PATH, csvLine([...asked, ...result]));
  }
}

function askedCells(index: number, leaf: string, header: Header, outcome: string): Cell[] {
  const principal = actorOf(header['principal']);
  const sponsor = actorOf(header['onBehalfOf']);
  const facts = objectOf(header['facts']) ?? {};
  const statement = objectOf(header['statement']) ?? {};
  return [
    index,
    leaf,
    textOf(header['ts']),
    outcome,
    principal?.issuer ?? null,
    principal?.subject ?? null,
    principal?.kind ?? null,
    sponsor?.issuer ?? null,
    sponsor?.subject ?? null,
    textOf(header['session']),
    textOf(memberOf(header, 'resource', 'target')),
    textOf(header['action']),
    joined(textsOf(facts['effects'])),
    joined(listOf(facts['relations']).map((each) => `${textOf(objectOf(each)?.['name'])} (${textOf(objectOf(each)?.['access'])})`)),
    joined(textsOf(facts['classes'])),
    joined(textsOf(header['reasons'])),
    joined(textsOf(header['rules'])),
    textOf(header['approval']),
    textOf(memberOf(header, 'policy', 'sha256')),
    textOf(statement['normalised']),
    textOf(statement['fingerprint']),
    statement['parameters'] === undefined ? null : listOf(statement['parameters']).length,
  ];
}

function resultCells(result: Header): Cell[] {
  const shown = listOf(result['columns']).flatMap((each) => {
    const column = objectOf(each) ?? {};
    const classes = textsOf(column['classes']);
    return classes.length === 0 ? [] : [`${textOf(column['name'])}: ${classes.join('+')} as ${textOf(column['mask'])}`];
  });
  return [textOf(result['code']), countOf(result['rows']), countOf(result['bytes']), countOf(result['ms']), joined(shown)];
}
