// The files of a bundle as a verifier reads them, by name, in pieces; nothing here knows where they lie (open-bundle.ts does).

import { SallyportError } from '../core/error.ts';

export interface BundleFiles {
  /** Path -> length. */
  readonly files: ReadonlyMap<string, number>;
  /** @param room chunks may be put there: each is valid until the next one is asked for. Without it they stay
   *  @throws SP_AUDIT_CORRUPT when the file is not there or does not come out as it should. */
  chunks(path: string, room?: Buffer): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** Whole content. @throws SP_AUDIT_CORRUPT when there is more than `maxBytes`. */
export async function readFileOf(bundle: BundleFiles, path: string, maxBytes: number): Promise<Buffer> {
  if ((bundle.files.get(path) ?? 0) > maxBytes) throw refused(`${path} is larger than it can be`);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bundle.chunks(path)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw refused(`${path} is larger than it can be`);
    pieces.push(chunk);
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

const refused = (what: string): SallyportError => new SallyportError('SP_AUDIT_CORRUPT', what);
