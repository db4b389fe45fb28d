/**
 * The results of an offline job, `results.jsonl`: a line an item, in the order of the items. How
 * many whole lines there are says how far the job has come, so a torn last line, which a crash in
 * the middle of a write leaves, is cut off before anything is written behind it.
 */

import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

import type { ItemResult } from '../../actors/offline/files-port.ts';
import { printAnswer } from '../gateways/print-answer.ts';

export const resultsName = 'results.jsonl';

/** An empty results file; rejects with EEXIST where there are results of another job. */
export async function claimResults(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, resultsName);
  const file = await open(path, 'a');
  try {
    if ((await file.stat()).size === 0) return;
    const message = `${path} holds results already; give another --output, or move them away`;
    throw Object.assign(new Error(message), { code: 'EEXIST' });
  } finally {
    await file.close();
  }
}

const newline = 0x0a;
/** Of a line that says why there is no answer; within a string its quotes would be escaped. */
const refusedMark = '"ok":false';

export class ResultsFile {
  written = 0;
  failed = 0;
  /** Of the whole lines. */
  private bytes = 0;
  private readonly file: FileHandle;
  private readonly elementsMax: number;

  private constructor(file: FileHandle, elementsMax: number) {
    this.file = file;
    this.elementsMax = elementsMax;
  }

  /** Counts the lines, cuts off what is none, and stands behind them. */
  static async open(folder: string, outputElementsMax: number): Promise<ResultsFile> {
    const file = await open(join(folder, resultsName), 'r+');
    const results = new ResultsFile(file, outputElementsMax);
    try {
      await results.recover();
      return results;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Resolves when they would survive a crash of the machine. */
  async append(results: readonly ItemResult[]): Promise<void> {
    const printed = results.map((result) => this.lineOf(result));
    const lines = Buffer.from(printed.join(''));
    for (let at = 0; at < lines.length;) {
      const { bytesWritten } = await this.file.write(lines, at, lines.length - at, this.bytes + at);
      at += bytesWritten;
    }
    await this.file.datasync();
    this.bytes += lines.length;
    this.written += results.length;
    this.failed += printed.filter((line) => line.includes(refusedMark)).length;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async recover(): Promise<void> {
    const buffer = Buffer.alloc(1 << 20);
    let position = 0;
    let whole = 0;
    let line = '';
    for (;;) {
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      let start = 0;
      const chunk = buffer.subarray(0, bytesRead);
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        line += chunk.toString('latin1', start, end);
        this.written += 1;
        if (line.includes(refusedMark)) this.failed += 1;
        line = '';
        start = end + 1;
        whole = position + start;
      }
      line += chunk.toString('latin1', start);
      position += bytesRead;
    }
    if (whole < position) await this.file.truncate(whole);
    this.bytes = whole;
  }

  private lineOf({ index, id, answer }: ItemResult): string {
    const printed = printAnswer(answer, id, 'json', { jsonAnswerElementsMax: this.elementsMax });
    return `{"item":${String(index)},${String(printed).slice(1)}\n`;
  }
}
