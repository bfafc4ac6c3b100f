/** The reference's convolution and pooling, element by element. */
import { type Reference, Refused } from './array.js';
import { type Bounded, rounded, sure } from './bounded.js';
import { floatOf, type Setting } from './elementwise.js';
import { sumOf } from './reductions.js';

type Pair = readonly [number, number];

const boundedAt = (x: Reference, place: number): Bounded => ({ value: Number(x.values[place]), error: x.errors[place]! });

function product(a: Bounded, b: Bounded): Bounded {
  return { value: a.value * b.value, error: Math.abs(a.value) * b.error + Math.abs(b.value) * a.error + a.error * b.error };
}

function planes(x: Reference): readonly [number, number, number, number] {
  const [n, c, h, w] = x.shape;
  return [n!, c!, h!, w!];
}

export function conv2d(
  x: Reference,
  weight: Reference,
  bias: Reference | undefined,
  [sh, sw]: Pair,
  [ph, pw]: Pair,
  [dh, dw]: Pair,
  groups: number,
  { loose }: Setting,
): Reference {
  const dtype = floatOf(x.dtype);
  const [n, c, h, w] = planes(x);
  const [o, i, kh, kw] = planes(weight);
  const oh = Math.floor((h + 2 * ph - dh * (kh - 1) - 1) / sh) + 1;
  const ow = Math.floor((w + 2 * pw - dw * (kw - 1) - 1) / sw) + 1;
  if (c !== i * groups || o % groups !== 0 || oh < 1 || ow < 1) throw new Refused('the filters do not fit');
  const results: Bounded[] = [];
  for (let b = 0; b < n; b++)
    for (let f = 0; f < o; f++)
      for (let y = 0; y < oh; y++)
        for (let z = 0; z < ow; z++) {
          const terms: Bounded[] = [];
          const first = Math.floor(f / (o / groups)) * i;
          for (let p = 0; p < i; p++)
            for (let q = 0; q < kh; q++)
              for (let r = 0; r < kw; r++) {
                const [row, column] = [y * sh + q * dh - ph, z * sw + r * dw - pw];
                const filter = boundedAt(weight, ((f * i + p) * kh + q) * kw + r);
                const inside = row >= 0 && row < h && column >= 0 && column < w;
                // Padding is zeros, which a filter that is not finite turns into NaN.
                if (inside) terms.push(product(boundedAt(x, ((b * c + first + p) * h + row) * w + column), filter));
                else if (!Number.isFinite(filter.value)) terms.push(sure(Number.NaN));
              }
          // The sum is stored before the bias is added.
          const { value, error } = sumOf(terms, dtype, loose);
          const added = bias === undefined ? sure(0) : boundedAt(bias, f);
          results.push(
            bias === undefined ? { value, error } : rounded(value + added.value, error + added.error, dtype, 1, loose),
          );
        }
  return { dtype, shape: [n, o, oh, ow], values: results.map(({ value }) => value), errors: results.map(({ error }) => error) };
}

interface Pooling {
  readonly kind: 'max' | 'mean';
  /** Leaves the padding out of the mean's divisor. */
  readonly exclusive: boolean;
  /** A last window may reach beyond the padding, but none begins there. */
  readonly ceilMode: boolean;
}

function windowCount(size: number, kernel: number, stride: number, padding: number, ceilMode: boolean): number {
  const steps = (size + 2 * padding - kernel) / stride;
  const count = (ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
  return ceilMode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

/** The largest or the mean of each window. */
export function pool2d(
  x: Reference,
  [kh, kw]: Pair,
  [sh, sw]: Pair,
  [ph, pw]: Pair,
  { kind, exclusive, ceilMode }: Pooling,
  { loose }: Setting,
): Reference {
  const dtype = floatOf(x.dtype);
  const [n, c, h, w] = planes(x);
  const oh = windowCount(h, kh, sh, ph, ceilMode);
  const ow = windowCount(w, kw, sw, pw, ceilMode);
  if (oh < 1 || ow < 1) throw new Refused('no window fits');
  const results: Bounded[] = [];
  for (let plane = 0; plane < n * c; plane++)
    for (let y = 0; y < oh; y++)
      for (let z = 0; z < ow; z++) {
        const window: Bounded[] = [];
        let padded = 0;
        for (let q = 0; q < kh; q++)
          for (let r = 0; r < kw; r++) {
            const [row, column] = [y * sh + q - ph, z * sw + r - pw];
            if (row < h + ph && column < w + pw) padded++;
            if (row >= 0 && row < h && column >= 0 && column < w) window.push(boundedAt(x, (plane * h + row) * w + column));
          }
        if (kind === 'max')
          results.push({
            value: Math.max(...window.map(({ value }) => value)),
            error: Math.max(...window.map(({ error }) => error)),
          });
        else {
          const { value, error } = sumOf(window, dtype === 'float64' ? dtype : 'float32', false);
          const divisor = exclusive ? window.length : padded;
          results.push(rounded(value / divisor, error / divisor, dtype, 2, loose));
        }
      }
  return { dtype, shape: [n, c, oh, ow], values: results.map(({ value }) => value), errors: results.map(({ error }) => error) };
}
