// OTLP logs over HTTP, JSON encoding: one record for each entry, its body the OCSF event. A collector that takes only a part has not taken
// the batch: the record must have no gap, so it comes again.
// SPEC: https://opentelemetry.io/docs/specs/otlp/#otlphttp, opentelemetry/proto/logs/v1/logs.proto

import { z } from 'zod';
import type { Secret } from '../core/secret.ts';
import { type EventContext, type Leaf, ocsfEvent, SEVERITY_NAMES } from '../ocsf/index.ts';
import { type Destination, type DestinationParts, outcomeOf, type Post } from './destination.ts';
import { inSteps } from './in-steps.ts';

export interface OtlpSettings extends DestinationParts {
  /** The whole address of the logs: `https://collector.example.com/v1/logs`. */
  readonly url: URL;
  /** Sent as a bearer token; null = none. */
  readonly token: Secret | null;
}

/** OCSF severity -> SeverityNumber: INFO, INFO2, WARN, ERROR. */
const SEVERITY_NUMBERS: Readonly<Record<number, number>> = { 1: 9, 2: 10, 3: 13, 4: 17 };
const answerSchema = z.object({ partialSuccess: z.object({ rejectedLogRecords: z.coerce.number().default(0) }).nullish() });

export function createOtlpDestination(settings: OtlpSettings, post: Post): Destination {
  const { name, url, token, context } = settings;
  return {
    name,
    kind: 'otlp',
    async send(batch, signal) {
      const headers = { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token.reveal()}` }) };
      return outcomeOf(await post(url, { headers, body: await otlpBody(batch, context) }, signal), (body) =>
        rejected(body) ? 'records-rejected' : null,
      );
    },
    async close() {},
  };
}

/** An empty answer takes all; one that is not understood is from something that is no collector. */
function rejected(body: string): boolean {
  if (body.trim() === '') return false;
  try {
    return (answerSchema.parse(JSON.parse(body)).partialSuccess?.rejectedLogRecords ?? 0) > 0;
  } catch {
    return true;
  }
}

/** An ExportLogsServiceRequest as JSON. @internal */
export async function otlpBody(batch: readonly Leaf[], context: EventContext): Promise<string> {
  const scope = JSON.stringify({ name: 'sallyport.audit', version: context.version });
  const ofReplicas: string[] = [];
  for (const [replica, leaves] of Map.groupBy(batch, ({ header }) => header.replica)) {
    const attributes = [
      text('service.name', 'sallyport'),
      text('service.version', context.version),
      text('service.instance.id', replica),
      text('sallyport.log.origin', context.origin),
    ];
    const records = await inSteps(leaves, (leaf) => JSON.stringify(logRecord(leaf, context)));
    const scopeLogs = `[{"scope":${scope},"logRecords":[${records.join(',')}]}]`;
    ofReplicas.push(`{"resource":${JSON.stringify({ attributes })},"scopeLogs":${scopeLogs}}`);
  }
  return `{"resourceLogs":[${ofReplicas.join(',')}]}`;
}

function logRecord(leaf: Leaf, context: EventContext): object {
  const { header, hash } = leaf;
  const event = ocsfEvent(leaf, context);
  // Milliseconds are all we have; a number this large is a string in proto-JSON.
  const timeUnixNano = `${event.time}000000`;
  return {
    timeUnixNano,
    observedTimeUnixNano: timeUnixNano,
    severityNumber: SEVERITY_NUMBERS[event.severity_id] ?? 9,
    severityText: SEVERITY_NAMES[event.severity_id] ?? 'Informational',
    eventName: `sallyport.${header.type}`,
    body: { stringValue: JSON.stringify(event) },
    attributes: [
      { key: 'sallyport.log.index', value: { intValue: String(header.seq) } },
      text('sallyport.log.leaf', hash),
      text('sallyport.entry.type', header.type),
      ...(header.session === undefined ? [] : [text('session.id', header.session)]),
      ...(header.resource === undefined ? [] : [text('db.namespace', header.resource.target)]),
    ],
  };
}

function text(key: string, value: string): object {
  return { key, value: { stringValue: value } };
}
