// All that is derived from the entries of a range, in one pass.

import { Controls } from './controls.ts';
import { CoverageTable } from './coverage-table.ts';
import type { Part, RangeEntry, Scope, Sink } from './derivation.ts';
import { EventTables } from './event-tables.ts';
import { actorOf, memberOf, objectOf, textOf } from './fields.ts';
import { IdentityTable } from './identity-table.ts';
import { OcsfFiles } from './ocsf-files.ts';
import { renderHtml } from './html.ts';
import { renderPdf } from './report-pdf.ts';
import { reportOf } from './report.ts';
import { RequestsTable } from './requests-table.ts';
import { Samples } from './samples.ts';
import { sha256Hex } from './sums.ts';
import { renderReadme, renderVerifyGuide } from './texts.ts';
import { Totals } from './totals.ts';

/** What the report and the control map are made from. */
export interface Findings {
  readonly scope: Scope;
  readonly totals: Totals;
  readonly identities: IdentityTable;
  readonly coverage: CoverageTable;
  readonly samples: Samples;
  readonly events: EventTables;
  readonly requests: RequestsTable;
}

export class Derivation {
  readonly #scope: Scope;
  readonly #sink: Sink;
  readonly #findings: Findings;
  readonly #parts: readonly Part[];
  /** Hashes of the policies that entries of the whole range name, whatever the filter. */
  readonly policies = new Set<string>();

  /** @param version of the product that made the bundle */
  constructor(scope: Scope, version: string, sink: Sink) {
    this.#scope = scope;
    this.#sink = sink;
    const totals = new Totals(scope);
    const identities = new IdentityTable(sink);
    const coverage = new CoverageTable(sink);
    const samples = new Samples(sink);
    const events = new EventTables(sink);
    const requests = new RequestsTable(sink);
    this.#findings = { scope, totals, identities, coverage, samples, events, requests };
    this.#parts = [totals, identities, coverage, samples, events, requests, new OcsfFiles(sink, scope.origin, version)];
  }

  /** Every entry of the range, in order. */
  push(entry: RangeEntry): void {
    const policy = textOf(memberOf(entry.header, 'policy', 'sha256'));
    if (/^[0-9a-f]{64}$/.test(policy)) this.policies.add(policy);
    if (!matches(entry.header, this.#scope)) return;
    for (const part of this.#parts) part.push(entry);
    const session = textOf(entry.header['session']);
    if (session === '') return;
    const path = sessionPath(session);
    this.#sink.write(path, entry.bytes);
    this.#sink.write(path, '\n');
  }

  end(): void {
    for (const part of this.#parts) part.end();
    const controls = new Controls(this.#findings);
    this.#sink.write('controls/hipaa.csv', controls.csv());
    const report = reportOf(this.#findings, controls);
    this.#sink.write('report.html', renderHtml(report));
    this.#sink.write('report.pdf', renderPdf(report));
    this.#sink.write('README.html', renderReadme(this.#scope));
    this.#sink.write('VERIFY.md', renderVerifyGuide(this.#scope));
  }
}

/** An entry that names nobody, or no target, is about all of them. */
function matches(header: RangeEntry['header'], { principal, target }: Scope): boolean {
  if (target !== null) {
    const named = objectOf(header['resource']);
    if (named !== null && textOf(named['target']) !== target) return false;
  }
  if (principal === null) return true;
  const named = [header['principal'], header['onBehalfOf'], memberOf(header, 'answer', 'by')].flatMap((each) => actorOf(each) ?? []);
  return named.length === 0 || named.some(({ issuer, subject }) => issuer === principal.issuer && subject === principal.subject);
}

function sessionPath(session: string): string {
  const name = /^[A-Za-z0-9_-]{1,100}$/.test(session) ? session : sha256Hex(Buffer.from(session));
  return `sessions/${name}.ndjson`;
}
