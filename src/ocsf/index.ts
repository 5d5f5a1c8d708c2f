// Entries of the log as OCSF events: the mapping that the SIEM export and the evidence bundle share.

export { rowOf, SEVERITY_NAMES } from './entry-table.ts';
export { type EventContext, type Leaf, nameOf, ocsfEvent } from './event.ts';
