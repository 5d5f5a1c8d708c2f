// controls/hipaa.csv: which records of the bundle speak to which requirement of the HIPAA Security and Privacy Rules, how many there are,
// what they show and what they cannot show. Evidence for an assessment; never a statement that a requirement is met.

import type { Cell } from './csv.ts';
import { csvLine } from './csv.ts';
import type { Findings } from './derive.ts';

export interface Control {
  readonly id: string;
  readonly title: string;
  /** Files of the bundle. */
  readonly records: readonly string[];
  readonly count: number;
  /** What is counted. */
  readonly counted: string;
  readonly shows: string;
  readonly cannotShow: string;
}

const COLUMNS = ['control', 'title', 'records', 'count', 'counted', 'shows', 'cannot_show'] as const;

export class Controls {
  readonly list: readonly Control[];

  constructor(findings: Findings) {
    this.list = controlsOf(findings);
  }

  csv(): string {
    const rows = this.list.map(({ id, title, records, count, counted, shows, cannotShow }): Cell[] => [
      id,
      title,
      records.join('; '),
      count,
      counted,
      shows,
      cannotShow,
    ]);
    return [csvLine(COLUMNS), ...rows.map(csvLine)].join('');
  }
}

function controlsOf({ totals, identities, samples, events, requests }: Findings): Control[] {
  const rowsOf = (file: string): number => events.rows.get(file) ?? 0;
  const control = (
    id: string,
    title: string,
    records: readonly string[],
    count: number,
    counted: string,
    shows: string,
    cannotShow: string,
  ): Control => ({ id, title, records, count, counted, shows, cannotShow });
  const uses = identities.uses();
  const agents = new Set(uses.filter(({ actor }) => actor.kind !== 'person').map(({ actor }) => `${actor.issuer}/${actor.subject}`)).size;
  const idle = [...totals.closeReasons].reduce((sum, [reason, count]) => sum + (/idle|timeout/.test(reason) ? count : 0), 0);
  const masked = [...totals.masks.values()].reduce(
    (sum, masks) => sum + [...masks].reduce((n, [mask, c]) => n + (mask === 'clear' ? 0 : c), 0),
    0,
  );
  return [
    control(
      '164.312(a)(1)',
      'Access control',
      ['records/requests.csv', 'records/denials.csv', 'policies/'],
      requests.rows,
      'requests decided',
      'Each request that reached the gateway, who made it (people and software), what was decided, by which rules and under which version of the policy.',
      'Access that did not go through the gateway; whether the policy gives access only to those who should have it.',
    ),
    control(
      '164.312(a)(2)(i)',
      'Unique user identification',
      ['records/access_by_identity.csv'],
      uses.length,
      'identity and target pairs',
      `Every request is tied to one identity of the identity provider and to the person it acts for; ${agents} of the identities were agents or services.`,
      'Whether two people share one identity, or one token, outside of the gateway.',
    ),
    control(
      '164.312(a)(2)(ii)',
      'Emergency access procedure',
      ['records/breakglass.csv', 'records/reviews.csv'],
      totals.of('breakglass.opened'),
      'emergency accesses',
      `Each emergency access, who opened it, when it ended, and its review afterwards (${totals.of('breakglass.reviewed')} reviewed).`,
      'Whether the emergency was one; procedures that are not in the gateway.',
    ),
    control(
      '164.312(a)(2)(iii)',
      'Automatic logoff',
      ['records/auth.csv'],
      totals.of('session.close'),
      'sessions closed',
      `How and when each session ended; ${idle} ended because nothing came from the client.`,
      'Locking of workstations and of sessions elsewhere.',
    ),
    control(
      '164.312(a)(2)(iv)',
      'Encryption and decryption',
      ['samples/sealed-results.csv', 'records/unseals.csv'],
      samples.sealedPayloads,
      'sealed payloads named',
      `Statements, parameters and results of the record are encrypted to keys that the gateway does not hold; each opening is recorded (${totals.family('payload.')} entries).`,
      'Encryption of the databases themselves; who else holds the private keys.',
    ),
    control(
      '164.312(b)',
      'Audit controls',
      ['log/', 'records/requests.csv', 'records/coverage.csv'],
      totals.entries,
      'entries',
      'A complete, signed record of the range: no entry can be missing, changed or moved under the checkpoint. Silence of a gateway is shown.',
      'Activity in systems that hold protected data and do not sit behind the gateway.',
    ),
    control(
      '164.312(c)',
      'Integrity',
      ['records/requests.csv'],
      totals.writes,
      'requests with effects other than reading',
      'Each statement that could change data, who ran it and how many rows it reported.',
      'Changes made past the gateway; whether a change was correct.',
    ),
    control(
      '164.312(d)',
      'Person or entity authentication',
      ['records/auth.csv'],
      totals.of('auth.ok', 'auth.fail'),
      'log-ins',
      `Each log-in with a token that the identity provider signed; ${totals.of('auth.fail')} were refused.`,
      'How the identity provider verified the person (its own logs show that).',
    ),
    control(
      '164.312(e)',
      'Transmission security',
      ['records/auth.csv', 'records/operations.csv'],
      totals.of('session.open'),
      'sessions opened',
      'That sessions were opened at the gateway, which speaks TLS unless its configuration says otherwise, and from which address.',
      'The TLS version and cipher of each connection; networks behind the targets.',
    ),
    control(
      '164.308(a)(1)(ii)(D)',
      'Information system activity review',
      ['records/reviews.csv'],
      totals.of('review.signed'),
      'reviews signed',
      'Each signed review: who signed it and when.',
      'How carefully somebody looked; reviews that were not signed in the gateway.',
    ),
    control(
      '164.308(a)(3)',
      'Workforce security',
      ['records/approvals.csv', 'records/grants.csv', 'records/operations.csv'],
      totals.of('approval.answered', 'grant.answered', 'lock.set'),
      'approvals, grant answers and locks',
      'Who supervised what: answers of reviewers, and access that was locked.',
      'Clearance and termination procedures of the organisation.',
    ),
    control(
      '164.308(a)(4)',
      'Information access management',
      ['records/grants.csv', 'records/policy_history.csv', 'records/reviews.csv', 'policies/'],
      totals.family('grant.') + totals.of('policy.applied'),
      'grant entries and policy versions applied',
      'How access was asked for, given, used and ended; how the policy changed and who changed it; recertifications.',
      'Access rights inside of the targets that do not pass the gateway.',
    ),
    control(
      '164.308(a)(5)(ii)(C)',
      'Log-in monitoring',
      ['records/auth.csv'],
      totals.of('auth.fail'),
      'failed log-ins',
      'Each failed log-in with its reason and address.',
      'Log-in attempts at the identity provider or the databases.',
    ),
    control(
      '164.316(b)',
      'Documentation',
      ['policies/', 'records/policy_history.csv'],
      rowsOf('policy_history'),
      'policy entries',
      'The exact text of every version of the policy that decided in the range, by its hash, and when it was applied.',
      'Retention for six years: that is the keeping of this bundle and of the log. Policies that are not the gateway’s.',
    ),
    control(
      '164.502(b); 164.514(d)',
      'Minimum necessary',
      ['records/access_by_identity.csv', 'records/requests.csv'],
      masked,
      'protected columns shown masked',
      'Which classes of protected data each identity was shown, masked or in the clear, and how many rows.',
      'Whether what was shown was necessary. Masked or tokenised data remains protected health information.',
    ),
  ];
}
