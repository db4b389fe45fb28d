/**
 * A steady stream of real digits, every answer counted: what was asked, answered, and how often.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Packr } from 'msgpackr';
import { WebSocket } from 'ws';

const packr = new Packr({ useRecords: false });
const folder = fileURLToPath(new URL('../../zoo/digit-classification/', import.meta.url));

export interface Answer {
  readonly id: string;
  readonly ok: boolean;
  readonly error?: { readonly code: string; readonly message: string };
  readonly servedBy?: { readonly variant: string; readonly worker: string };
  readonly outputs?: { readonly logits: { readonly data: Uint8Array } };
}

const images = readFileSync(`${folder}heldout-images.npy`);
const imagesAt = 10 + images.readUInt16LE(8);

/** Held-out digit `index` as FP32 bytes, `[1, 1, 28, 28]`. */
export function digit(index: number): Uint8Array {
  const at = imagesAt + (index % 2_000) * 784;
  return new Uint8Array(Float32Array.from(images.subarray(at, at + 784), (p) => p / 255).buffer);
}

export function digitQuery(id: string, index: number, rest: object = {}): object {
  const image = { datatype: 'FP32', shape: [1, 1, 28, 28], data: digit(index) };
  return { id, task: 'digit-classification', dataset: 'mnist', inputs: { image }, ...rest };
}

export class QueryStream {
  readonly answers = new Map<string, Answer[]>();
  sent = 0;
  private readonly socket: WebSocket;
  private timer: NodeJS.Timeout | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      const answer = packr.unpack(data) as Answer;
      const known = this.answers.get(answer.id);
      if (known === undefined) this.answers.set(answer.id, [answer]);
      else known.push(answer);
    });
  }

  static open(url: string): Promise<QueryStream> {
    const socket = new WebSocket(`${url}/v1/ws`, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.once('open', () => {
        resolve(new QueryStream(socket));
      });
      socket.once('error', reject);
    });
  }

  /** Sends at `rateQps` until `pause`. */
  start(rateQps: number, rest: object = {}): void {
    const startMs = performance.now();
    const before = this.sent;
    this.timer = setInterval(() => {
      const due = before + ((performance.now() - startMs) * rateQps) / 1_000;
      while (this.sent < due) this.send(rest);
    }, 5);
  }

  send(rest: object = {}): string {
    const id = String(this.sent);
    this.socket.send(packr.pack(digitQuery(id, this.sent, rest)));
    this.sent += 1;
    return id;
  }

  pause(): void {
    clearInterval(this.timer);
  }

  get answered(): number {
    return this.answers.size;
  }

  /** Ids that got more than one answer. */
  doubled(): string[] {
    return [...this.answers].filter(([, all]) => all.length > 1).map(([id]) => id);
  }

  failures(): string[] {
    return [...this.answers.values()]
      .flat()
      .filter(({ ok }) => !ok)
      .map(({ error }) => `${error?.code ?? '?'}: ${error?.message ?? ''}`);
  }

  workers(): ReadonlySet<string | undefined> {
    return new Set([...this.answers.values()].flat().map(({ servedBy }) => servedBy?.worker));
  }

  close(): void {
    this.pause();
    this.socket.close();
  }
}
