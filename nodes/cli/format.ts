/** Numbers as people read them: milliseconds, bytes, percents, prices, ranges. */

import type { TensorDescription } from '../../actors/domain/fleet-description.ts';

/** Three significant digits, never an exponent: `0.045`, `1.67`, `133`. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 100) return ms.toFixed(0);
  if (ms >= 10) return ms.toFixed(1);
  return ms >= 1 ? ms.toFixed(2) : ms.toFixed(3);
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** At most two decimals, without trailing zeros: `98.9`, `100`. */
export function formatPercent(percent: number): string {
  return Number.isFinite(percent) ? String(Number(percent.toFixed(2))) : '–';
}

export function formatRange(least: number, most: number): string {
  return least === most ? formatPercent(least) : `${formatPercent(least)}–${formatPercent(most)}`;
}

export function formatUsd(usd: number): string {
  if (usd === 0) return '0';
  return usd >= 0.01 ? usd.toFixed(3) : usd.toPrecision(2);
}

export function formatQps(qps: number): string {
  return qps >= 100 ? qps.toFixed(0) : qps.toFixed(1);
}

/** `image FP32 [−1, 1, 28, 28]`. */
export function formatTensor(tensor: TensorDescription): string {
  const shape = tensor.shape.map((size) => (size < 0 ? '−1' : String(size))).join(', ');
  const shared = tensor.shared ? ' shared' : '';
  const state = tensor.state === undefined ? '' : ` state of ${tensor.state}`;
  return `${tensor.name} ${tensor.datatype} [${shape}]${shared}${state}`;
}
