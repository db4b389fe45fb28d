/**
 * Looks a msgpack frame over before it is decoded: well-formed, plain, bounded.
 *
 * msgpackr revives Date, Set, Error and RegExp from untrusted frames, allocates what a length
 * claims, and recurses as deep as it is told. One linear pass over the tokens (binary and strings
 * are jumped over, so the cost does not grow with tensors) rules all of that out. Spec:
 * msgpack.org/spec.
 */

import { FrameRejected } from '../errors.ts';

export interface FrameLimits {
  /** Containers within containers. */
  readonly depthMax: number;
  /** Values in the whole frame, counting keys. */
  readonly valuesMax: number;
}

export const defaultFrameLimits: FrameLimits = { depthMax: 32, valuesMax: 300_000 };

const protoKey = [0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f]; // "__proto__"

/** Throws FrameRejected saying what is wrong and at which byte. */
export function inspectFrame(bytes: Uint8Array, limits: FrameLimits = defaultFrameLimits): void {
  const scan = new FrameScan(bytes, limits);
  scan.value(0);
  if (scan.at !== bytes.length) {
    throw reject(`${String(bytes.length - scan.at)} bytes follow the value`, scan.at);
  }
}

function reject(what: string, at: number): FrameRejected {
  return new FrameRejected(`malformed msgpack: ${what} (at byte ${String(at)})`, 'frame');
}

class FrameScan {
  at = 0;
  private values = 0;
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly limits: FrameLimits;

  constructor(bytes: Uint8Array, limits: FrameLimits) {
    this.bytes = bytes;
    this.limits = limits;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): void {
    this.values += 1;
    if (this.values > this.limits.valuesMax) {
      throw reject(`more than ${String(this.limits.valuesMax)} values`, this.at);
    }
    const token = this.byte();
    if (token <= 0x7f || token >= 0xe0) return;
    if (token <= 0x8f) this.map(token & 0x0f, depth);
    else if (token <= 0x9f) this.array(token & 0x0f, depth);
    else if (token <= 0xbf) this.skip(token & 0x1f);
    else this.wide(token, depth);
  }

  private wide(token: number, depth: number): void {
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc4: // bin 8
      case 0xd9: // str 8
        this.skip(this.length(1));
        return;
      case 0xc5:
      case 0xda:
        this.skip(this.length(2));
        return;
      case 0xc6:
      case 0xdb:
        this.skip(this.length(4));
        return;
      case 0xcc: // uint 8
      case 0xd0: // int 8
        this.skip(1);
        return;
      case 0xcd:
      case 0xd1:
        this.skip(2);
        return;
      case 0xca: // float 32
      case 0xce:
      case 0xd2:
        this.skip(4);
        return;
      case 0xcb: // float 64
      case 0xcf:
      case 0xd3:
        this.skip(8);
        return;
      case 0xdc:
        this.array(this.length(2), depth);
        return;
      case 0xdd:
        this.array(this.length(4), depth);
        return;
      case 0xde:
        this.map(this.length(2), depth);
        return;
      case 0xdf:
        this.map(this.length(4), depth);
        return;
      default:
        // 0xc1 is never used; 0xc7–0xc9 and 0xd4–0xd8 are extension types.
        throw reject(
          token === 0xc1 ? 'the byte 0xc1' : 'an extension type; only plain values are taken',
          this.at - 1,
        );
    }
  }

  private array(count: number, depth: number): void {
    this.enter(count, depth);
    for (let index = 0; index < count; index += 1) this.value(depth + 1);
  }

  private map(count: number, depth: number): void {
    this.enter(count * 2, depth);
    for (let index = 0; index < count; index += 1) {
      this.key();
      this.value(depth + 1);
    }
  }

  private enter(values: number, depth: number): void {
    if (depth >= this.limits.depthMax) {
      throw reject(`nested deeper than ${String(this.limits.depthMax)}`, this.at);
    }
    if (values > this.bytes.length - this.at) {
      throw reject('a length beyond the end of the frame', this.at);
    }
  }

  private key(): void {
    this.values += 1;
    const start = this.at;
    const token = this.byte();
    let length: number;
    if (token >= 0xa0 && token <= 0xbf) length = token & 0x1f;
    else if (token === 0xd9) length = this.length(1);
    else if (token === 0xda) length = this.length(2);
    else throw reject('a map key that is not a string', start);
    const textAt = this.at;
    this.skip(length);
    if (
      length === protoKey.length &&
      protoKey.every((byte, index) => this.bytes[textAt + index] === byte)
    ) {
      throw reject('the key "__proto__"', start);
    }
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw reject('the frame ends too early', this.at);
    this.at += 1;
    return byte;
  }

  private length(width: 1 | 2 | 4): number {
    if (this.at + width > this.bytes.length) throw reject('the frame ends too early', this.at);
    const at = this.at;
    this.at += width;
    if (width === 1) return this.view.getUint8(at);
    return width === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  private skip(length: number): void {
    if (length > this.bytes.length - this.at) {
      throw reject('a length beyond the end of the frame', this.at);
    }
    this.at += length;
  }
}
