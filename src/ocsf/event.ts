// One entry of the log as one OCSF event. Pure. Only what the header holds, which is no protected data, goes on: the statement is its
// normalised text, `query_info.data` stays empty.
// SPEC: https://schema.ocsf.io/1.8.0

import type { EntryHeader } from '../core/event.ts';
import type { ActorRef } from '../core/identity.ts';
import { type EntryRow, OCSF_CLASSES, OCSF_VERSION, rowOf, SEVERITY_NAMES } from './entry-table.ts';

/** An entry with the hash of the bytes that are its leaf. */
export interface Leaf {
  readonly header: EntryHeader;
  /** Hex. */
  readonly hash: string;
}

/** What is the same for all entries. */
export interface EventContext {
  /** Of the log. */
  readonly origin: string;
  /** Of Sallyport. */
  readonly version: string;
}

export type OcsfEvent = Readonly<Record<string, unknown>> & {
  readonly class_uid: number;
  readonly activity_name: string;
  readonly severity_id: number;
  readonly time: number;
  readonly message: string;
};

/** Principals are people only where their kind says so. */
const USER_TYPES: Readonly<Record<ActorRef['kind'], readonly [id: number, name: string]>> = {
  person: [1, 'User'],
  agent: [99, 'Agent'],
  service: [4, 'Service'],
};

export function ocsfEvent({ header, hash }: Leaf, context: EventContext): OcsfEvent {
  const row = rowOf(header.type);
  const { category, categoryName, className, activities } = OCSF_CLASSES[row.classUid];
  const activity = row.activity === 'of-statement' ? activityOf(header) : row.activity;
  const names: Readonly<Record<number, string>> = activities;
  const { result, facts } = header;
  return {
    category_uid: category,
    category_name: categoryName,
    class_uid: row.classUid,
    class_name: className,
    activity_id: activity,
    activity_name: row.activityName ?? names[activity] ?? 'Other',
    type_uid: row.classUid * 100 + activity,
    type_name: `${className}: ${names[activity] ?? 'Other'}`,
    severity_id: row.severity,
    severity: SEVERITY_NAMES[row.severity] ?? 'Other',
    time: Date.parse(header.ts),
    message: row.title,
    ...statusOf(header, row),
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Sallyport', vendor_name: 'Sallyport', version: context.version },
      uid: hash,
      sequence: header.seq,
      event_code: header.type,
      log_name: context.origin,
      log_provider: header.replica,
      ...(header.session === undefined ? {} : { correlation_uid: header.session }),
      profiles: ['security_control'],
    },
    ...actionOf(header),
    ...ofClass(header, row),
    ...(result === undefined ? {} : { duration: Math.round(result.ms), count: result.rows }),
    unmapped: {
      'tlog.index': header.seq,
      'tlog.leaf': hash,
      'tlog.origin': context.origin,
      n: header.n,
      intent: header.intent,
      grant: some(header.grant),
      approval: some(header.approval),
      action: some(header.action),
      decision: some(header.decision),
      reasons: some(header.reasons?.join(' ')),
      rules: some(header.rules?.join(' ')),
      'policy.sha256': some(header.policy?.sha256),
      'statement.bytes': header.statement?.bytes,
      'statement.fingerprint': some(header.statement?.fingerprint),
      'statement.parameters': header.statement?.parameters.length,
      verbs: some(facts?.verbs.join(' ')),
      effects: some(facts?.effects.join(' ')),
      relations: some(facts?.relations.map(({ name, access }) => `${access}:${name}`).join(' ')),
      classes: some(facts?.classes.join(' ')),
      'classes.output': some(facts?.outputClasses.join(' ')),
      'classes.predicate': some(facts?.predicateClasses.join(' ')),
      'result.rows': result?.rows,
      'result.bytes': result?.bytes,
      'result.masks': some(result?.columns?.flatMap(({ classes, mask }) => (classes.length === 0 ? [] : [mask])).join(' ')),
      'answer.verdict': some(header.answer?.verdict),
      'answer.by': header.answer === undefined ? undefined : nameOf(header.answer.by),
      on_behalf_of: header.onBehalfOf === undefined ? undefined : nameOf(header.onBehalfOf),
      sealed: header.sealed?.length,
      ...Object.fromEntries(Object.entries(header.detail ?? {}).map(([key, value]) => [`detail.${key}`, value])),
    },
  };
}

/** `issuer/subject`. */
export function nameOf({ issuer, subject }: ActorRef): string {
  return `${issuer}/${subject}`;
}

/** What is empty is left out. */
function some(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Of OCSF's Datastore Activity. What a statement may change counts more than what it reads. */
function activityOf({ facts }: EntryHeader): number {
  const verbs = new Set(facts?.verbs.map((verb) => verb.toLowerCase()));
  const effects = new Set(facts?.effects);
  if (verbs.has('delete') || verbs.has('truncate')) return 7;
  if (verbs.has('update') || verbs.has('merge')) return 2;
  if (effects.has('write') || effects.has('copy-in')) return 5;
  if (effects.has('ddl')) return 6;
  if (effects.has('read') || effects.has('copy-out')) return 4;
  return 99;
}

function statusOf({ type, result, reasons, detail }: EntryHeader, row: EntryRow): Record<string, unknown> {
  if (result !== undefined) {
    return result.code === 'ok'
      ? { status_id: 1, status: 'Success', status_code: 'ok' }
      : { status_id: 2, status: 'Failure', status_code: result.code };
  }
  if (row.isFailure === true) {
    const fault = detail?.['fault'] ?? reasons?.[0];
    return { status_id: 2, status: 'Failure', ...(fault === undefined ? {} : { status_code: String(fault) }) };
  }
  return type === 'request.held' ? { status_id: 99, status: 'Held' } : row.classUid === 2006 ? {} : { status_id: 1, status: 'Success' };
}

/** The profile "security_control": what the gate did about it. Absent where it did nothing. */
function actionOf({ type, decision, answer, result }: EntryHeader): Record<string, unknown> {
  if (type === 'auth.fail') return { action_id: 2, action: 'Denied', disposition_id: 26, disposition: 'Unauthorized' };
  if (answer !== undefined) {
    return answer.verdict === 'approve'
      ? { action_id: 1, action: 'Allowed', disposition_id: 8, disposition: 'Approved' }
      : { action_id: 2, action: 'Denied', disposition_id: 25, disposition: 'Rejected' };
  }
  if (type === 'request.held') return { action_id: 2, action: 'Denied', disposition_id: 14, disposition: 'Delayed' };
  if (decision === 'deny') return { action_id: 2, action: 'Denied', disposition_id: 2, disposition: 'Blocked' };
  if (decision !== undefined) return { action_id: 1, action: 'Allowed', disposition_id: 1, disposition: 'Allowed' };
  const isMasked = result?.columns?.some(({ mask, classes }) => classes.length > 0 && mask !== 'clear') === true;
  return isMasked
    ? { action_id: 4, action: 'Modified', disposition_id: 1, disposition: 'Allowed' }
    : { action_id: 3, action: 'Observed', disposition_id: 17, disposition: 'Logged' };
}

function ofClass(header: EntryHeader, row: EntryRow): Record<string, unknown> {
  switch (row.classUid) {
    case 1008:
      return { log_name: 'sallyport audit log', log_type_id: 2, log_type: 'Application', ...actorField(header) };
    case 2006: {
      const code = String(header.detail?.['code'] ?? header.detail?.['alarm'] ?? 'alarm');
      return { finding_info: { uid: `${header.seq}`, title: `${row.title}: ${code}`, types: [code] }, ...actorField(header) };
    }
    case 3002:
      return {
        user: userOf(header.principal),
        service: { name: header.resource?.target ?? 'sallyport' },
        auth_protocol_id: 4,
        auth_protocol: 'OpenID',
        src_endpoint: endpointOf(header),
        ...(header.session === undefined ? {} : { session: { uid: header.session } }),
      };
    case 3003:
      return {
        user: userOf(header.principal),
        privileges: [privilegeOf(header)],
        src_endpoint: endpointOf(header),
        ...(header.session === undefined ? {} : { session: { uid: header.session } }),
      };
    case 3004: {
      const uid = header.approval ?? header.grant ?? header.policy?.sha256 ?? `${header.seq}`;
      return { entity: { name: header.type.split('.')[0], type: header.type.split('.')[0], uid }, ...actorField(header) };
    }
    case 6003:
      return {
        api: { operation: header.type, service: { name: 'sallyport' } },
        actor: actorOf(header),
        src_endpoint: endpointOf(header),
      };
    case 6005:
      return {
        actor: actorOf(header),
        src_endpoint: endpointOf(header),
        database: { name: header.resource?.target ?? 'unknown', type_id: 1, type: 'Relational' },
        ...queryOf(header),
      };
  }
}

function queryOf({ statement }: EntryHeader): Record<string, unknown> {
  if (statement === undefined) return {};
  return {
    query_info: {
      // Required by the schema, also of a text that could not be read: its length is all that is known.
      query_string: statement.normalised ?? `(${statement.bytes} bytes, not shown)`,
      uid: statement.fingerprint ?? 'none',
      bytes: statement.bytes,
    },
  };
}

function userOf(principal: ActorRef | undefined): Record<string, unknown> {
  if (principal === undefined) return { name: 'unknown', type_id: 0, type: 'Unknown' };
  const [id, type] = USER_TYPES[principal.kind];
  return { name: nameOf(principal), uid: nameOf(principal), domain: principal.issuer, type_id: id, type };
}

function actorOf(header: EntryHeader): Record<string, unknown> {
  const { rules, policy, decision } = header;
  return {
    user: userOf(header.answer?.by ?? header.principal),
    ...(header.session === undefined ? {} : { session: { uid: header.session } }),
    ...(header.onBehalfOf === undefined ? {} : { invoked_by: nameOf(header.onBehalfOf) }),
    ...(policy === undefined
      ? {}
      : {
          authorizations: [
            {
              ...(decision === undefined ? {} : { decision }),
              policy: { name: rules?.join(' ') || 'policy', uid: policy.sha256, version: policy.sha256 },
            },
          ],
        }),
  };
}

function actorField(header: EntryHeader): Record<string, unknown> {
  return header.principal === undefined && header.answer === undefined ? {} : { actor: actorOf(header) };
}

/** The client's address where the header has it; else the session stands for it. */
function endpointOf({ detail, session }: EntryHeader): Record<string, unknown> {
  const address = detail?.['address'];
  if (typeof address === 'string' && /^[0-9a-fA-F:.]+$/.test(address)) return { ip: address };
  return { name: 'client', uid: session ?? 'unknown' };
}

function privilegeOf({ detail, resource }: EntryHeader): string {
  const role = detail?.['role'];
  return `${typeof role === 'string' ? role : 'access'}${resource === undefined ? '' : ` on ${resource.target}`}`;
}
