/** The body of an HTTP request as one buffer, or why there is none. Bounded while it arrives. */

import type { IncomingMessage } from 'node:http';

export type Body = Uint8Array | 'too-large' | 'aborted';

/**
 * Never rejects: a client that hangs up is `aborted`. What is too large is still read, and thrown
 * away, since a client in the middle of sending would not see the answer otherwise; a multiple of
 * the limit is cut.
 */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) resolve('too-large');
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      resolve('too-large');
      if (bytes > discardedTimesMax * bytesMax) request.destroy();
    });
    request.once('end', () => {
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
    });
    request.once('error', () => {
      resolve('aborted');
    });
    request.once('close', () => {
      resolve('aborted');
    });
  });
}

const discardedTimesMax = 4;
