/** Writes .npy content for tests: header and body as NumPy lays them out. */

export function npyFile(
  descr: string,
  shape: readonly number[],
  body: Uint8Array,
  options: { readonly version?: number; readonly fortran?: boolean } = {},
): Uint8Array {
  const { version = 1, fortran = false } = options;
  const dimensions = shape.length === 1 ? `${String(shape[0])},` : shape.join(', ');
  const order = fortran ? 'True' : 'False';
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${dimensions}), }`;
  const prefix = version === 1 ? 10 : 12;
  const padded = Math.ceil((prefix + text.length + 1) / 64) * 64 - prefix;
  const header = new TextEncoder().encode(`${text.padEnd(padded - 1)}\n`);
  const file = new Uint8Array(prefix + header.length + body.length);
  file.set([0x93, ...new TextEncoder().encode('NUMPY'), version, 0]);
  const view = new DataView(file.buffer);
  if (version === 1) view.setUint16(8, header.length, true);
  else view.setUint32(8, header.length, true);
  file.set(header, prefix);
  file.set(body, prefix + header.length);
  return file;
}
