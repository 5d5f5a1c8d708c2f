// What others saw of the log: `witness-<name>-<tree size>.checkpoint`, a checkpoint with cosignatures, and
// `tsa-<name>-<tree size>.tsr`, an RFC 3161 time stamp of a checkpoint.

export const ANCHORS = 'anchors/';

export interface AnchorFile {
  readonly kind: 'witness' | 'tsa';
  /** Of the tree that was seen. */
  readonly size: number;
}

/** Null for a file that is no anchor. */
export function anchorOf(name: string): AnchorFile | null {
  const match = /^(?:(witness)-[A-Za-z0-9._-]{1,100}-(\d{1,15})\.checkpoint|(tsa)-[A-Za-z0-9._-]{1,100}-(\d{1,15})\.tsr)$/.exec(name);
  if (match === null) return null;
  return { kind: match[1] === undefined ? 'tsa' : 'witness', size: Number(match[2] ?? match[4]) };
}
