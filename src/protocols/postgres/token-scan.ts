// Looks for tokens in the data of COPY FROM, whatever its format is: they would be stored as they are. The data itself
// passes unread otherwise.

/** Enough of a token that no ordinary text looks like it. */
const TOKEN = /tok_[a-z]{1,64}_[a-z0-9]{1,8}_[0-9a-f]{32}/;
/** One byte less than the longest match. */
const KEPT = 4 + 64 + 1 + 8 + 1 + 32 - 1;

export class TokenScan {
  #end = '';

  /** @param data the next bytes. @returns true when a token has been seen in them, or across the last ones */
  sees(data: Uint8Array): boolean {
    const text = this.#end + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    this.#end = text.slice(-KEPT);
    return TOKEN.test(text);
  }
}
