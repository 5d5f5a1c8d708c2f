// Evidence bundles: made from the log, verified without us.

export { exportBundle } from './export.ts';
export type { ExportDeps, ExportedBundle, ExportRequest } from './export.ts';
export { exportTo, saveArchive } from './output.ts';
export { describeVerdict } from './verdict.ts';
export type { EvidenceVerdict } from './verdict.ts';
export { verifyBundle } from './verify-bundle.ts';
export type { VerifyOptions } from './verify.ts';
export { loadVerifier } from './verifier-source.ts';
export { zipOf } from './zip-writer.ts';
