/**
 * Discrete Fourier transforms of up to 16 columns at a time, by Stockham's algorithm: the length is a product of radices, there is a step
 * for each, and results come out in order. Columns lie side by side in scratch memory, real and imaginary parts apart, so that all
 * arithmetic runs in lanes, whatever the length. A work item takes every so many'th block of 16 columns.
 */
import { type Buffer, type f, type i32, idiv, irem, lanes, min } from './language.js';

/** An element's factor between the two passes of a long transform, by its place and its column: that of the block's first column times this. */
function twistElement(
  memory: Buffer<'T'>,
  at: i32,
  half: i32,
  coarse: Buffer<'T'>,
  factor: i32,
  fine: Buffer<'T'>,
  row: i32,
): void {
  const cr = coarse[2 * factor]!;
  const ci = coarse[2 * factor + 1]!;
  for (const lane of lanes(0, 16)) {
    const fr = fine[row + lane]!;
    const fi = fine[row + 16 + lane]!;
    const wr = cr * fr - ci * fi;
    const wi = cr * fi + ci * fr;
    const re = memory[at + lane]!;
    const im = memory[half + at + lane]!;
    memory[at + lane] = re * wr - im * wi;
    memory[half + at + lane] = re * wi + im * wr;
  }
}

function radix2(
  memory: Buffer<'T'>,
  roots: Buffer<'T'>,
  source: i32,
  target: i32,
  half: i32,
  m: i32,
  span: i32,
  stride: i32,
): void {
  const far = m * span;
  for (let p = 0; p < m; p++) {
    const wr = roots[2 * p * stride]!;
    const wi = roots[2 * p * stride + 1]!;
    const from = source + p * span;
    const to = target + 2 * p * span;
    for (const q of lanes(0, span)) {
      const ar = memory[from + q]!;
      const ai = memory[half + from + q]!;
      const br = memory[from + far + q]!;
      const bi = memory[half + from + far + q]!;
      const dr = ar - br;
      const di = ai - bi;
      memory[to + q] = ar + br;
      memory[half + to + q] = ai + bi;
      memory[to + span + q] = dr * wr - di * wi;
      memory[half + to + span + q] = dr * wi + di * wr;
    }
  }
}

function radix3(
  memory: Buffer<'T'>,
  roots: Buffer<'T'>,
  source: i32,
  target: i32,
  half: i32,
  m: i32,
  span: i32,
  stride: i32,
): void {
  const far = m * span;
  const middle: f = 0.5;
  const sine: f = 0.8660254037844386;
  for (let p = 0; p < m; p++) {
    const w1r = roots[2 * p * stride]!;
    const w1i = roots[2 * p * stride + 1]!;
    const w2r = roots[4 * p * stride]!;
    const w2i = roots[4 * p * stride + 1]!;
    const from = source + p * span;
    const to = target + 3 * p * span;
    for (const q of lanes(0, span)) {
      const ar = memory[from + q]!;
      const ai = memory[half + from + q]!;
      const br = memory[from + far + q]!;
      const bi = memory[half + from + far + q]!;
      const cr = memory[from + 2 * far + q]!;
      const ci = memory[half + from + 2 * far + q]!;
      const sr = br + cr;
      const si = bi + ci;
      const hr = ar - middle * sr;
      const hi = ai - middle * si;
      const tr = sine * (bi - ci);
      const ti = sine * (cr - br);
      memory[to + q] = ar + sr;
      memory[half + to + q] = ai + si;
      memory[to + span + q] = (hr + tr) * w1r - (hi + ti) * w1i;
      memory[half + to + span + q] = (hr + tr) * w1i + (hi + ti) * w1r;
      memory[to + 2 * span + q] = (hr - tr) * w2r - (hi - ti) * w2i;
      memory[half + to + 2 * span + q] = (hr - tr) * w2i + (hi - ti) * w2r;
    }
  }
}

function radix4(
  memory: Buffer<'T'>,
  roots: Buffer<'T'>,
  source: i32,
  target: i32,
  half: i32,
  m: i32,
  span: i32,
  stride: i32,
): void {
  const far = m * span;
  for (let p = 0; p < m; p++) {
    const w1r = roots[2 * p * stride]!;
    const w1i = roots[2 * p * stride + 1]!;
    const w2r = roots[4 * p * stride]!;
    const w2i = roots[4 * p * stride + 1]!;
    const w3r = roots[6 * p * stride]!;
    const w3i = roots[6 * p * stride + 1]!;
    const from = source + p * span;
    const to = target + 4 * p * span;
    for (const q of lanes(0, span)) {
      const ar = memory[from + q]!;
      const ai = memory[half + from + q]!;
      const br = memory[from + far + q]!;
      const bi = memory[half + from + far + q]!;
      const cr = memory[from + 2 * far + q]!;
      const ci = memory[half + from + 2 * far + q]!;
      const dr = memory[from + 3 * far + q]!;
      const di = memory[half + from + 3 * far + q]!;
      const er = ar + cr;
      const ei = ai + ci;
      const fr = br + dr;
      const fi = bi + di;
      // The odd results are the difference of the even inputs -+ i times that of the odd ones.
      const gr = ar - cr + (bi - di);
      const gi = ai - ci - (br - dr);
      const hr = ar - cr - (bi - di);
      const hi = ai - ci + (br - dr);
      memory[to + q] = er + fr;
      memory[half + to + q] = ei + fi;
      memory[to + span + q] = gr * w1r - gi * w1i;
      memory[half + to + span + q] = gr * w1i + gi * w1r;
      memory[to + 2 * span + q] = (er - fr) * w2r - (ei - fi) * w2i;
      memory[half + to + 2 * span + q] = (er - fr) * w2i + (ei - fi) * w2r;
      memory[to + 3 * span + q] = hr * w3r - hi * w3i;
      memory[half + to + 3 * span + q] = hr * w3i + hi * w3r;
    }
  }
}

/** Any radix: each result is a sum of all inputs times roots of order `length`, which is radix * m. */
function anyRadix(
  memory: Buffer<'T'>,
  roots: Buffer<'T'>,
  source: i32,
  target: i32,
  half: i32,
  radix: i32,
  m: i32,
  span: i32,
  stride: i32,
): void {
  const length = radix * m;
  for (let p = 0; p < m; p++) {
    for (let i = 0; i < radix; i++) {
      const to = target + (radix * p + i) * span;
      for (const q of lanes(0, span)) {
        memory[to + q] = 0;
        memory[half + to + q] = 0;
      }
      for (let j = 0; j < radix; j++) {
        const from = source + (p + m * j) * span;
        const root = irem(i * (p + m * j), length) * stride;
        const wr = roots[2 * root]!;
        const wi = roots[2 * root + 1]!;
        for (const q of lanes(0, span)) {
          const re = memory[from + q]!;
          const im = memory[half + from + q]!;
          memory[to + q] = memory[to + q]! + (re * wr - im * wi);
          memory[half + to + q] = memory[half + to + q]! + (re * wi + im * wr);
        }
      }
    }
  }
}

/** The least divisor that is taken off a length next: 4 and 2 first, then odd ones. */
function nextRadix(length: i32): i32 {
  let radix: i32 = 3;
  if (irem(length, 4) === 0) radix = 4;
  else if (irem(length, 2) === 0) radix = 2;
  else {
    while (irem(length, radix) !== 0) radix += 2;
  }
  return radix;
}

/**
 * The transforms of `groups` times `columns` columns of n complex elements, forward and unscaled but for `scale`. Complex number k of
 * column c of group g stands at g * inGroup + c * inLane + k * inElement of x, and of out likewise. `roots` are the n powers of
 * e^(-2 pi i / n). With `twists`, element k of column c is first multiplied with coarse[k * block] and fine[k, :, c in the block]. With `swap`, real and imaginary parts change
 * places coming and going, which makes it the inverse transform.
 */
export function fourierPass(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  roots: Buffer<'T'>,
  coarse: Buffer<'T'>,
  fine: Buffer<'T'>,
  out: Buffer<'T'>,
  memory: Buffer<'T'>,
  n: i32,
  items: i32,
  groups: i32,
  columns: i32,
  inGroup: i32,
  inLane: i32,
  inElement: i32,
  outGroup: i32,
  outLane: i32,
  outElement: i32,
  twists: i32,
  swap: i32,
  scale: f,
): void {
  const half = n * 16;
  const perGroup = idiv(columns + 15, 16);
  const turns = idiv(groups * perGroup + items - 1, items);
  for (let item = begin; item < end; item++) {
    for (let turn = 0; turn < turns; turn++) {
      const place = turn * items + item;
      if (place < groups * perGroup) {
        const group = idiv(place, perGroup);
        const block = place - group * perGroup;
        const width = min(16, columns - 16 * block);
        const first = item * 4 * half;
        const origin = group * inGroup + block * 16 * inLane;
        for (let k = 0; k < n; k++) {
          const at = first + k * 16;
          const from = 2 * (origin + k * inElement);
          for (const lane of lanes(0, width)) {
            memory[at + lane] = x[from + 2 * lane * inLane + swap]!;
            memory[half + at + lane] = x[from + 2 * lane * inLane + 1 - swap]!;
          }
          for (const lane of lanes(width, 16)) {
            memory[at + lane] = 0;
            memory[half + at + lane] = 0;
          }
          if (twists !== 0) twistElement(memory, at, half, coarse, k * block, fine, k * 32);
        }
        let source: i32 = first;
        let target: i32 = first + 2 * half;
        let rest: i32 = n;
        let stride: i32 = 1;
        while (rest > 1) {
          const radix = nextRadix(rest);
          const m = idiv(rest, radix);
          if (radix === 4) radix4(memory, roots, source, target, half, m, stride * 16, stride);
          else if (radix === 2) radix2(memory, roots, source, target, half, m, stride * 16, stride);
          else if (radix === 3) radix3(memory, roots, source, target, half, m, stride * 16, stride);
          else anyRadix(memory, roots, source, target, half, radix, m, stride * 16, stride);
          const held = source;
          source = target;
          target = held;
          rest = m;
          stride = stride * radix;
        }
        const destination = group * outGroup + block * 16 * outLane;
        for (let k = 0; k < n; k++) {
          const at = source + k * 16;
          const to = 2 * (destination + k * outElement);
          for (const lane of lanes(0, width)) {
            out[to + 2 * lane * outLane + swap] = memory[at + lane]! * scale;
            out[to + 2 * lane * outLane + 1 - swap] = memory[half + at + lane]! * scale;
          }
        }
      }
    }
  }
}
