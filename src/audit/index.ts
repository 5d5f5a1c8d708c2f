// The audit service: an append-only, publicly verifiable log with sealed payloads.

export { openAuditLog } from './log.ts';
export type { AuditLogOptions, OpenAuditLog } from './log.ts';
export type { Durability } from './producer.ts';
export { connectAuditLog } from './threaded-log.ts';
export type { AuditConnection, ConnectedAuditLog } from './threaded-log.ts';
export { createLogKey, createSealingIdentity, parseSigningKey } from './keys.ts';
export type { LogKey, SealingIdentity } from './keys.ts';
export { unseal } from './opening.ts';
export type { Unsealed } from './opening.ts';
export { verifyLog } from './verify.ts';
export type { LogVerdict, Problem, ProblemCode, VerifyOptions } from './verify.ts';
export { nodeDisk } from './disk.ts';
export type { Disk, DiskFile } from './disk.ts';
export { createPruning } from './pruning.ts';
export { createRetention } from './retention.ts';
export type { Retention, RetentionRules } from './retention.ts';
export { publishedLog } from './log-files.ts';
export { publishedLeaves } from './published-leaves.ts';
export type { PublishedLeaves } from './published-leaves.ts';
