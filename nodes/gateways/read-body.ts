/**
 * The body of an HTTP request as one buffer, or why there is none. Bounded while it arrives, each
 * by itself and all together: what is being uploaded has not been admitted yet.
 */

import type { IncomingMessage } from 'node:http';

export type Body = Uint8Array | 'too-large' | 'overloaded' | 'aborted';

/** The bytes of all bodies that are being read, up to a limit. */
export class UploadBudget {
  readonly bytesMax: number;
  private bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** False when there is no room for that many more; one body always has room. */
  take(bytes: number): boolean {
    if (this.bytes > 0 && this.bytes + bytes > this.bytesMax) return false;
    this.bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.bytes -= bytes;
  }
}

/** What a request says of its body's size; 0 when it does not. */
export function declaredBytes(request: IncomingMessage): number {
  return Number(request.headers['content-length'] ?? 0);
}

/**
 * Never rejects: a client that hangs up is `aborted`. A declared size is taken from the budget
 * before anything is read, the rest as it arrives; all is given back when the body is complete, and
 * whoever admits it counts it from then on. What is too large is still read, and thrown away, since
 * a client in the middle of sending would not see the answer otherwise; a multiple of the limit is
 * cut.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  budget: UploadBudget,
): Promise<Body> {
  const declared = declaredBytes(request);
  if (declared > bytesMax) {
    discard(request, bytesMax);
    return Promise.resolve('too-large');
  }
  if (!budget.take(declared)) {
    discard(request, bytesMax);
    return Promise.resolve('overloaded');
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let taken = declared;
    const end = (body: Body): void => {
      budget.give(taken);
      taken = 0;
      chunks.length = 0;
      request.removeListener('data', arrived);
      resolve(body);
    };
    const arrived = (chunk: Buffer): void => {
      bytes += chunk.length;
      const more = Math.max(0, bytes - taken);
      if (bytes > bytesMax || !budget.take(more)) {
        end(bytes > bytesMax ? 'too-large' : 'overloaded');
        discard(request, bytesMax);
        return;
      }
      taken += more;
      chunks.push(chunk);
    };
    request.on('data', arrived);
    request.once('end', () => {
      const [only] = chunks;
      end(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes));
    });
    const aborted = (): void => {
      end('aborted');
    };
    request.once('error', aborted);
    request.once('close', aborted);
  });
}

const discardedTimesMax = 4;

function discard(request: IncomingMessage, bytesMax: number): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > discardedTimesMax * bytesMax) request.destroy();
  });
  request.on('error', () => undefined);
}
