// Transparency log primitives: RFC 6962 hashes, tiles, proofs, signed notes and checkpoints. Pure and dependency-free,
// so that an auditor can read all of what verifies a log.

export { emptyRoot, equalHashes, HASH_BYTES, leafHash, nodeHash, perfectRoot, sha256 } from './hash.ts';
export { bundlePath, decodeBundle, encodeBundle, hashAt, MAX_ENTRY_BYTES, TILE_WIDTH, tilePath, tileWidth } from './tile.ts';
export type { Tile } from './tile.ts';
export { Frontier } from './frontier.ts';
export { consistencyProof, inclusionProof, spanRoot, verifyConsistency, verifyInclusion } from './proof.ts';
export type { TileReader } from './proof.ts';
export { decodeSigningKey, encodeSigningKey, isNoteName, noteSigner, openNote, parseVerifierKey, splitNote } from './note.ts';
export type { NoteSigner, NoteVerifier } from './note.ts';
export { keptCheckpoint, openCheckpoint, signCheckpoint, treeHeadIn } from './checkpoint.ts';
export type { TreeHead } from './checkpoint.ts';
export { keyChain, signKeyStatement } from './rotation.ts';
export type { KeyInTurn } from './rotation.ts';
export { cosignedBy, openCosignature, parseWitnessKey } from './cosignature.ts';
