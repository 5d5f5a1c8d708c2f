// In a browser the verifier has this `Buffer` and no other (console/build.ts).

import type { Buffer as BytesTools, Bytes } from './buffer.ts';

declare global {
  type Buffer = Bytes;
  const Buffer: typeof BytesTools;
}
