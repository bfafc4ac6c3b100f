/**
 * float16 and bfloat16 as 16-bit patterns: encoding rounds to nearest even, decoding is exact. For single elements; kernels
 * convert in bulk.
 */

interface Format {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const float16: Format = { exponentBits: 5, fractionBits: 10 };
const bfloat16: Format = { exponentBits: 8, fractionBits: 7 };

export const encodeFloat16 = (value: number): number => encode(value, float16);
export const decodeFloat16 = (bits: number): number => decode(bits, float16);
export const encodeBfloat16 = (value: number): number => encode(value, bfloat16);
export const decodeBfloat16 = (bits: number): number => decode(bits, bfloat16);

/** Rounds half to even, and keeps -0. */
export function rint(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : rounded;
}

const smallestExponent = ({ exponentBits }: Format): number => 2 - 2 ** (exponentBits - 1);

function encode(value: number, format: Format): number {
  const { exponentBits, fractionBits } = format;
  const infinity = (2 ** exponentBits - 1) * 2 ** fractionBits;
  if (Number.isNaN(value)) return infinity + 2 ** (fractionBits - 1);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  const exponent = Math.max(exponentOf(magnitude), smallestExponent(format));
  // The significand with its hidden bit counts one exponent step of its own, so that subnormals and carries need no case.
  const significand = rint(magnitude * 2 ** (fractionBits - exponent));
  return sign | Math.min(infinity, (exponent - smallestExponent(format)) * 2 ** fractionBits + significand);
}

function decode(bits: number, format: Format): number {
  const { exponentBits, fractionBits } = format;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  const smallest = smallestExponent(format);
  return exponent === 0 ? sign * fraction * 2 ** smallest : sign * (1 + fraction) * 2 ** (exponent - 1 + smallest);
}

const view = new DataView(new ArrayBuffer(8));

/** floor(log2(magnitude)) of a normal float64; subnormals and 0 give -1023, infinity 1024. */
function exponentOf(magnitude: number): number {
  view.setFloat64(0, magnitude);
  return (view.getUint16(0) >> 4) - 1023;
}
