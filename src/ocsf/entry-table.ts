// Which event of OCSF each type of entry becomes. One row for each type; a type without a row is told as an "Other" of the log's own
// class, so that no entry is ever left out and `metadata.sequence` stays dense.
// SPEC: https://schema.ocsf.io/1.8.0

export const OCSF_VERSION = '1.8.0';

interface OcsfClass {
  readonly category: number;
  readonly categoryName: string;
  readonly className: string;
  readonly activities: Readonly<Record<number, string>>;
}

export const OCSF_CLASSES = {
  1008: {
    category: 1,
    categoryName: 'System Activity',
    className: 'Event Log Activity',
    activities: { 5: 'Rotate', 6: 'Start', 7: 'Stop', 99: 'Other' },
  },
  2006: { category: 2, categoryName: 'Findings', className: 'Data Security Finding', activities: { 1: 'Create' } },
  3002: {
    category: 3,
    categoryName: 'Identity & Access Management',
    className: 'Authentication',
    activities: { 1: 'Logon', 2: 'Logoff' },
  },
  3003: {
    category: 3,
    categoryName: 'Identity & Access Management',
    className: 'Authorize Session',
    activities: { 1: 'Assign Privileges', 99: 'Other' },
  },
  3004: {
    category: 3,
    categoryName: 'Identity & Access Management',
    className: 'Entity Management',
    activities: { 1: 'Create', 3: 'Update', 4: 'Delete', 12: 'Suspend', 13: 'Resume', 99: 'Other' },
  },
  6003: { category: 6, categoryName: 'Application Activity', className: 'API Activity', activities: { 2: 'Read', 99: 'Other' } },
  6005: {
    category: 6,
    categoryName: 'Application Activity',
    className: 'Datastore Activity',
    activities: { 2: 'Update', 3: 'Connect', 4: 'Query', 5: 'Write', 6: 'Create', 7: 'Delete', 99: 'Other' },
  },
} as const satisfies Readonly<Record<number, OcsfClass>>;
export type OcsfClassUid = keyof typeof OCSF_CLASSES;

/** OCSF severities. */
export const SEVERITY = { informational: 1, low: 2, medium: 3, high: 4 } as const;
export const SEVERITY_NAMES: Readonly<Record<number, string>> = { 1: 'Informational', 2: 'Low', 3: 'Medium', 4: 'High' };

export interface EntryRow {
  readonly classUid: OcsfClassUid;
  /** `of-statement`: by what the statement does. */
  readonly activity: number | 'of-statement';
  /** Instead of "Other". */
  readonly activityName?: string;
  /** 1 = informational. */
  readonly severity: number;
  /** For people; never holds data. */
  readonly title: string;
  readonly isFailure?: true;
}

const { informational, low, medium, high } = SEVERITY;

/** In the order of `ENTRY_TYPES`. */
const ROWS: Readonly<Record<string, EntryRow>> = {
  'log.opened': { classUid: 1008, activity: 6, severity: informational, title: 'Audit log opened' },
  'log.closed': { classUid: 1008, activity: 7, severity: medium, title: 'Audit log closed' },
  heartbeat: { classUid: 1008, activity: 99, activityName: 'Heartbeat', severity: informational, title: 'Heartbeat' },
  'config.changed': { classUid: 3004, activity: 3, severity: medium, title: 'Configuration changed' },
  'policy.applied': { classUid: 3004, activity: 3, severity: medium, title: 'Policy in force' },
  'policy.sampled': { classUid: 6003, activity: 2, severity: low, title: 'Values sampled for proposals of classes' },
  'key.rotated': { classUid: 1008, activity: 5, severity: medium, title: 'Key rotated' },
  'auth.ok': { classUid: 3002, activity: 1, severity: informational, title: 'Log-in' },
  'auth.fail': { classUid: 3002, activity: 1, severity: medium, title: 'Log-in refused', isFailure: true },
  'auth.end': { classUid: 3002, activity: 2, severity: informational, title: 'Log-out' },
  'session.open': { classUid: 6005, activity: 3, severity: informational, title: 'Session opened' },
  'session.close': { classUid: 3002, activity: 2, severity: informational, title: 'Session closed' },
  'session.ended': { classUid: 3002, activity: 2, severity: medium, title: 'Session ended by a person' },
  'request.intent': { classUid: 6005, activity: 'of-statement', severity: informational, title: 'Statement let through' },
  'request.result': { classUid: 6005, activity: 99, activityName: 'Result', severity: informational, title: 'Result of a statement' },
  'request.denied': { classUid: 6005, activity: 'of-statement', severity: medium, title: 'Statement denied', isFailure: true },
  'request.held': { classUid: 6005, activity: 'of-statement', severity: low, title: 'Statement held for approval' },
  'approval.requested': { classUid: 3004, activity: 1, severity: low, title: 'Approval asked for' },
  'approval.preview': { classUid: 6003, activity: 2, severity: informational, title: 'Held statement previewed for its reviewers' },
  'approval.answered': { classUid: 3004, activity: 3, severity: low, title: 'Approval answered' },
  'approval.expired': { classUid: 3004, activity: 4, severity: informational, title: 'Approval over' },
  'approval.used': { classUid: 3004, activity: 99, activityName: 'Use', severity: low, title: 'Approval used' },
  'grant.requested': { classUid: 3004, activity: 1, severity: low, title: 'Access asked for' },
  'grant.answered': { classUid: 3004, activity: 3, severity: low, title: 'Request for access answered' },
  'grant.opened': { classUid: 3003, activity: 1, severity: low, title: 'Access granted' },
  'grant.ended': { classUid: 3003, activity: 99, activityName: 'Revoke Privileges', severity: informational, title: 'Access over' },
  'breakglass.opened': { classUid: 3003, activity: 1, severity: high, title: 'Emergency access opened' },
  'breakglass.ended': { classUid: 3003, activity: 99, activityName: 'Revoke Privileges', severity: medium, title: 'Emergency access over' },
  'breakglass.reviewed': { classUid: 3004, activity: 3, severity: low, title: 'Emergency access reviewed' },
  'delegation.opened': { classUid: 3003, activity: 1, severity: low, title: 'Right to answer lent' },
  'delegation.ended': {
    classUid: 3003,
    activity: 99,
    activityName: 'Revoke Privileges',
    severity: informational,
    title: 'Lent right over',
  },
  'lock.set': { classUid: 3004, activity: 12, severity: medium, title: 'Locked' },
  'lock.lifted': { classUid: 3004, activity: 13, severity: medium, title: 'Lock lifted' },
  'review.signed': { classUid: 3004, activity: 99, activityName: 'Review', severity: informational, title: 'Review signed' },
  'unseal.requested': { classUid: 3004, activity: 1, severity: low, title: 'Opening of sealed payloads asked for' },
  'unseal.answered': { classUid: 3004, activity: 3, severity: low, title: 'Opening of sealed payloads answered' },
  'payload.unsealed': { classUid: 6003, activity: 2, severity: medium, title: 'Sealed payload handed out' },
  'payload.shredded': { classUid: 3004, activity: 4, severity: medium, title: 'Keys of sealed payloads destroyed' },
  'log.pruned': { classUid: 1008, activity: 5, severity: medium, title: 'Old entries of the log removed' },
  'connector.up': { classUid: 1008, activity: 6, severity: informational, title: 'Target reachable' },
  'connector.down': { classUid: 1008, activity: 7, severity: medium, title: 'Target not reachable' },
  'subject.searched': { classUid: 6003, activity: 2, severity: medium, title: 'Searched who touched the data of a subject' },
  'evidence.exported': { classUid: 6003, activity: 2, severity: medium, title: 'Evidence exported' },
  alarm: { classUid: 2006, activity: 1, severity: high, title: 'Alarm' },
};

/** @returns null when the type has no row of its own. */
export function ownRow(type: string): EntryRow | null {
  return Object.hasOwn(ROWS, type) ? (ROWS[type] ?? null) : null;
}

export function rowOf(type: string): EntryRow {
  return ownRow(type) ?? { classUid: 1008, activity: 99, activityName: type, severity: low, title: type };
}
