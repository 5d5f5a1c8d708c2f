// Anchors of the audit log: places outside of it that remember what it was.

export type { Anchor, AnchoredLog, Outcome, Send } from './anchor.ts';
export { createFileAnchor } from './file-anchor.ts';
export { createHttpsAnchor } from './https-anchor.ts';
export { type Anchors, type AnchorStatus, compareWithAnchors, createAnchors } from './keeper.ts';
export { createProofStore } from './proofs.ts';
export { createTsaAnchor } from './tsa-anchor.ts';
export { createWitnessAnchor } from './witness-anchor.ts';
