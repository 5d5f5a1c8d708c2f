// Export of the log to a SIEM, as the root composes it.

export { type Destination, type DestinationKind, type Post } from './destination.ts';
export { type Cursor, type CursorStore, Exporter, type ExporterState } from './exporter.ts';
export { createFileDestination } from './file-destination.ts';
export { createHttpsDestination } from './https-destination.ts';
export { createOtlpDestination } from './otlp-destination.ts';
export { type EventContext } from '../ocsf/index.ts';
export { createSplunkDestination } from './splunk-destination.ts';
export { createStdoutDestination, type WriteOut } from './stdout-destination.ts';
export { createSyslogDestination, type ResolveAccepted } from './syslog-destination.ts';
