// Trees that grow in memory, with signed checkpoints: for tests of anchors.

import type { AnchoredLog } from '../../src/anchors/index.ts';
import { Frontier, leafHash, noteSigner, signCheckpoint } from '../../src/audit/tlog/index.ts';

export interface GrownLog extends AnchoredLog {
  readonly vkey: string;
  /** Appends up to `size` entries and signs. */
  at(size: number): { note: string; size: number; root: Uint8Array };
}

/** @param branch entries from `from` on differ from those of other branches: a fork. */
export function grownLog(branch = 'a', from = 0): GrownLog {
  const signer = noteSigner('audit.test/grown', Buffer.alloc(32, 7));
  const frontier = new Frontier();
  const tiles = new Map<string, Uint8Array>();
  return {
    origin: signer.name,
    vkey: signer.vkey,
    readTile: async (level, index) => tiles.get(`${level}/${index}`) ?? new Uint8Array(),
    at(size) {
      while (frontier.size < size) {
        const entry = frontier.size < from ? `${frontier.size}` : `${branch} ${frontier.size}`;
        for (const tile of frontier.push(leafHash(Buffer.from(entry)))) tiles.set(`${tile.level}/${tile.index}`, tile.bytes);
      }
      for (const tile of frontier.partial()) tiles.set(`${tile.level}/${tile.index}`, tile.bytes);
      const head = { size, root: frontier.root() };
      return { ...head, note: signCheckpoint(head, signer) };
    },
  };
}
