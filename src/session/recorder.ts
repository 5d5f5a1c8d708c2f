// What one session writes to the audit log: one dense counter over all its entries, and for what repeats (the same
// statement, executed again under the same decision) entries prepared once, so that recording costs next to nothing.
// INVARIANT: `n` is taken in the order in which entries are handed to the log.

import type { Decision } from '../core/decision.ts';
import type { SallyportError } from '../core/error.ts';
import type { EntryDraft, Payload } from '../core/event.ts';
import type { ActorRef, Principal } from '../core/identity.ts';
import type { ApprovalId, SessionId } from '../core/ids.ts';
import type { AuditLog, EntryTemplate, TemplateDraft, Ticket } from '../core/ports.ts';
import type { Request } from '../core/request.ts';
import type { Target } from '../core/target.ts';
import { recordedColumns, recordedFacts } from './recorded-facts.ts';

/** An entry that was handed to the audit log. */
export interface Recorded {
  /** It is recorded as firmly as the configured durability demands. */
  readonly isDone: boolean;
  /** Resolves when it is. @throws SP_AUDIT_UNWRITABLE */
  wait(): Promise<void>;
}

/** What an adapter tells about the outcome. */
export interface RequestResult {
  readonly rows: number;
  readonly bytes: number;
  /** `ok` or the native error code. */
  readonly code: string;
}

/** Entries of one request that its repetitions share. */
export class RequestTemplates {
  readonly intent: EntryTemplate;
  readonly result: EntryTemplate;
  /** Makes the same anew, for a request that goes on after these were released. */
  readonly renew: () => RequestTemplates;
  /** Intents without their result. */
  openResults = 0;
  /** No new request will use them; released with the last result. */
  isForgotten = false;
  isReleased = false;

  constructor(intent: EntryTemplate, result: EntryTemplate, renew: () => RequestTemplates) {
    this.intent = intent;
    this.result = result;
    this.renew = renew;
  }
}

/** An intent in the log, and what its result entry needs. */
export interface RecordedIntent extends Recorded {
  readonly ticket: Ticket;
  /** Its counter in the session. */
  readonly n: number;
  readonly templates: RequestTemplates;
}

export interface RecorderDeps {
  readonly audit: AuditLog;
  readonly session: SessionId;
  readonly principal: Principal;
  readonly target: Target;
}

/** Lists in headers are bounded; what exceeds this goes to the sealed payload only. */
const maxHeaderList = 200;
const maxHeaderTextChars = 8192;

export class Recorder {
  readonly #deps: RecorderDeps;
  readonly #actor: Pick<EntryDraft, 'principal' | 'onBehalfOf'>;
  #n = 0;

  constructor(deps: RecorderDeps) {
    this.#deps = deps;
    this.#actor = actorFields(deps.principal);
  }

  /** One entry of its own. Resolves when it is durable. @throws SP_AUDIT_UNWRITABLE */
  append(entry: EntryDraft, payloads: readonly Payload[] = []): Promise<number> {
    const { audit, session, target } = this.#deps;
    const n = this.#n++;
    return audit.append({ ...entry, ...this.#actor, session, n, resource: { target: target.name, ...entry.resource } }, payloads);
  }

  /** `request.denied`, `request.held`. */
  async appendRequest(entry: EntryDraft, request: Request, decision: Decision): Promise<void> {
    const { statement, ...fields } = requestFields(request, decision);
    const { parameters, sealed } = request;
    await this.append(
      {
        ...entry,
        ...fields,
        ...decisionFields(decision),
        statement: { ...statement, bytes: sealed.statement.length, parameters: parameters.slice(0, maxHeaderList) },
      },
      [...statementPayload(request), ...parametersPayload(request)],
    );
  }

  /** For requests that repeat `request` under the same decision. `approval`: it was held, and this one let it through. */
  templates(request: Request, decision: Decision, approval: ApprovalId | null): RequestTemplates {
    const { audit, session, target } = this.#deps;
    const of = { ...this.#actor, session };
    const intent: TemplateDraft = {
      type: 'request.intent',
      ...of,
      ...requestFields(request, decision),
      ...decisionFields(decision),
      decision: approval === null && decision.outcome === 'hold' ? 'hold' : 'allow',
      ...(approval === null ? {} : { approval }),
    };
    const columns = recordedColumns(request.facts.outputs, decision.masks);
    const result: TemplateDraft = {
      type: 'request.result',
      ...of,
      resource: { target: target.name },
      action: request.action,
      result: columns.length === 0 ? {} : { columns },
    };
    const make = (): RequestTemplates =>
      new RequestTemplates(
        audit.template(intent, isStatementShared(request) ? statementPayload(request) : []),
        audit.template(result),
        make,
      );
    return make();
  }

  /** Of a request that goes on under the decision of `intent`. @throws SP_AUDIT_UNWRITABLE when the log has stopped. */
  intentAgain(request: Request, { templates }: RecordedIntent): RecordedIntent {
    if (!templates.isReleased) return this.intent(request, templates);
    const renewed = templates.renew();
    renewed.isForgotten = true;
    return this.intent(request, renewed);
  }

  /** @throws SP_AUDIT_UNWRITABLE when the log has stopped. */
  intent(request: Request, templates: RequestTemplates): RecordedIntent {
    const { audit } = this.#deps;
    const { parameters, sealed } = request;
    const payloads = isStatementShared(request) ? [] : statementPayload(request);
    if (sealed.parameters !== null) payloads.push({ kind: 'parameters', bytes: sealed.parameters });
    const n = this.#n++;
    const ticket = audit.post(
      templates.intent,
      {
        n,
        statement: {
          bytes: sealed.statement.length,
          parameters: parameters.length > maxHeaderList ? parameters.slice(0, maxHeaderList) : parameters,
        },
      },
      payloads,
    );
    templates.openResults += 1;
    return new PostedIntent(audit, ticket, n, templates);
  }

  result(intent: RecordedIntent, result: RequestResult, ms: number, payloads: readonly Payload[]): Recorded {
    const { audit } = this.#deps;
    const { templates } = intent;
    try {
      const ticket = audit.post(
        templates.result,
        {
          n: this.#n++,
          intent: intent.ticket,
          result: { rows: result.rows, bytes: result.bytes, code: result.code, ms: Math.round(ms * 1000) / 1000 },
        },
        payloads,
      );
      return new Posted(audit, ticket);
    } catch (fault) {
      return new Unrecorded(fault as SallyportError);
    } finally {
      templates.openResults -= 1;
      this.#releaseIfUnused(templates);
    }
  }

  /** No intent will be recorded from them any more. */
  forget(templates: RequestTemplates): void {
    templates.isForgotten = true;
    this.#releaseIfUnused(templates);
  }

  #releaseIfUnused(templates: RequestTemplates): void {
    if (!templates.isForgotten || templates.openResults > 0 || templates.isReleased) return;
    templates.isReleased = true;
    this.#deps.audit.release(templates.intent);
    this.#deps.audit.release(templates.result);
  }
}

class Posted implements Recorded {
  readonly ticket: Ticket;
  readonly #audit: AuditLog;

  constructor(audit: AuditLog, ticket: Ticket) {
    this.#audit = audit;
    this.ticket = ticket;
  }

  get isDone(): boolean {
    return this.#audit.isRecorded(this.ticket);
  }

  wait(): Promise<void> {
    return this.#audit.recorded(this.ticket);
  }
}

class PostedIntent extends Posted implements RecordedIntent {
  readonly n: number;
  readonly templates: RequestTemplates;

  constructor(audit: AuditLog, ticket: Ticket, n: number, templates: RequestTemplates) {
    super(audit, ticket);
    this.n = n;
    this.templates = templates;
  }
}

/** The log had stopped. */
class Unrecorded implements Recorded {
  readonly isDone = false;
  readonly #fault: SallyportError;

  constructor(fault: SallyportError) {
    this.#fault = fault;
  }

  wait(): Promise<void> {
    return Promise.reject(this.#fault);
  }
}

/** The text of an executed statement is sealed once; every execution names it. */
function isStatementShared(request: Request): boolean {
  return request.action === 'execute';
}

function statementPayload(request: Request): Payload[] {
  return [{ kind: 'statement', bytes: request.sealed.statement }];
}

function parametersPayload({ sealed }: Request): Payload[] {
  return sealed.parameters === null ? [] : [{ kind: 'parameters', bytes: sealed.parameters }];
}

export function actor(principal: Principal): ActorRef {
  return { issuer: principal.issuer, subject: principal.subject, kind: principal.kind };
}

export function actorFields(principal: Principal): Pick<EntryDraft, 'principal' | 'onBehalfOf'> {
  return {
    principal: actor(principal),
    ...(principal.onBehalfOf === null ? {} : { onBehalfOf: principal.onBehalfOf }),
  };
}

function requestFields(
  request: Request,
  decision: Decision,
): Pick<TemplateDraft, 'action' | 'statement' | 'facts'> & { resource: { target: string; objects: string[] } } {
  const { facts } = request;
  return {
    resource: { target: request.target, objects: facts.relations.slice(0, maxHeaderList).map((relation) => relation.name) },
    action: request.action,
    statement: {
      ...(facts.normalised === null ? {} : { normalised: bounded(facts.normalised) }),
      ...(facts.fingerprint === null ? {} : { fingerprint: facts.fingerprint }),
    },
    facts: recordedFacts(facts, { estimatedRows: request.estimatedRows, session: decision.session }),
  };
}

function decisionFields({ reasons, rules, policySha256, grants }: Decision): Pick<EntryDraft, 'reasons' | 'rules' | 'policy' | 'grant'> {
  const [grant] = grants ?? [];
  return { reasons, rules, policy: { sha256: policySha256 }, ...(grant === undefined ? {} : { grant }) };
}

/** Headers are at most 64 KiB; a longer redacted text is cut, the exact one is sealed. */
function bounded(text: string): string {
  return text.length <= maxHeaderTextChars ? text : `${text.slice(0, maxHeaderTextChars)} …`;
}
