// A bundle as it comes in. WHY by the page, and not by a link: the page can say why the gateway refused, how far it is, and end it; and it
// can check what came without asking for the file again. WHY pieces: what is in a Blob lies outside of the page's memory, and browsers put
// it on disk when it is large. A bundle larger than that is for the link beside it.

import { send } from '../../api/client.ts';

const PIECE_BYTES = 8 * 1024 * 1024;

/** @param onBytes bytes that are there so far. @throws Problem; what `signal` was aborted with */
export async function receive(url: string, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<Blob> {
  const response = await send(url, { signal, headers: { 'sallyport-console': '1' } });
  return collect(response.body ?? new Blob([]).stream(), onBytes);
}

export async function collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onBytes: (bytes: number) => void): Promise<Blob> {
  const pieces: Blob[] = [];
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  const reader = stream.getReader();
  for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
    if (value === undefined) continue;
    waiting.push(value);
    waitingBytes += value.length;
    bytes += value.length;
    onBytes(bytes);
    if (waitingBytes < PIECE_BYTES) continue;
    pieces.push(new Blob(waiting));
    waiting = [];
    waitingBytes = 0;
  }
  return new Blob([...pieces, ...waiting], { type: 'application/zip' });
}
