/** Sizes of memory as people write them. Pure. */

const units: Readonly<Record<string, number>> = {
  '': 1,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** Bytes of `4GiB`, `512MiB`, `2GB` or plain bytes; undefined where it is no size. */
export function parseMemorySize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = units[(match?.[2] ?? '').toUpperCase()];
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit);
}
