/** Kernel functions over windows and regions of images, against straightforward references. */
import test from 'ava';
import { close, randoms, run, tied } from './kernel-functions-harness.js';

// Windows

interface Window {
  readonly h: number;
  readonly w: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly padHeight: number;
  readonly padWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
}

const windows: readonly Window[] = [
  {
    h: 5,
    w: 7,
    kernelHeight: 2,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 0,
    padWidth: 0,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 6,
    w: 19,
    kernelHeight: 3,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 1,
    padWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 7,
    w: 8,
    kernelHeight: 3,
    kernelWidth: 2,
    strideHeight: 2,
    strideWidth: 3,
    padHeight: 1,
    padWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 9,
    w: 9,
    kernelHeight: 2,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 2,
    padWidth: 3,
    dilationHeight: 3,
    dilationWidth: 2,
  },
];

const outSize = ({ h, w, kernelHeight, kernelWidth, ...s }: Window): { outHeight: number; outWidth: number } => ({
  outHeight: Math.floor((h + 2 * s.padHeight - s.dilationHeight * (kernelHeight - 1) - 1) / s.strideHeight) + 1,
  outWidth: Math.floor((w + 2 * s.padWidth - s.dilationWidth * (kernelWidth - 1) - 1) / s.strideWidth) + 1,
});

/** The places in the plane that a window covers, with the place in the window. */
function covered(window: Window, i: number, j: number): { at: number; tap: number }[] {
  const places: { at: number; tap: number }[] = [];
  for (let ki = 0; ki < window.kernelHeight; ki++)
    for (let kj = 0; kj < window.kernelWidth; kj++) {
      const row = i * window.strideHeight - window.padHeight + ki * window.dilationHeight;
      const column = j * window.strideWidth - window.padWidth + kj * window.dilationWidth;
      if (row >= 0 && row < window.h && column >= 0 && column < window.w)
        places.push({ at: row * window.w + column, tap: ki * window.kernelWidth + kj });
    }
  return places;
}

const pooling = windows.filter((window) => window.dilationHeight === 1);
const planes = 3;

for (const [count, window] of windows.entries()) {
  const { outHeight, outWidth } = outSize(window);
  const [size, outs, taps] = [window.h * window.w, outHeight * outWidth, window.kernelHeight * window.kernelWidth];
  const { dilationHeight, dilationWidth, ...undilated } = window;

  test(`unfold lays out windows as columns and fold adds them back: ${count}`, (t) => {
    const x = randoms(planes * size);
    const columns = new Array<number>(planes * taps * outs).fill(0);
    const back = new Array<number>(planes * size).fill(0);
    const sent = randoms(columns.length);
    for (let plane = 0; plane < planes; plane++)
      for (let tapped = 0; tapped < taps; tapped++)
        for (let out = 0; out < outs; out++)
          for (const { at, tap } of covered(window, Math.floor(out / outWidth), out % outWidth))
            if (tap === tapped) {
              columns[(plane * taps + tap) * outs + out] = x[plane * size + at]!;
              back[plane * size + at]! += sent[(plane * taps + tap) * outs + out]!;
            }
    const params = { ...window, outHeight, outWidth };
    const unfolded = run(t, { name: 'unfold', buffers: { x, out: new Float64Array(columns.length) }, params, items: planes });
    close(t, unfolded.buffers.out, columns, 'unfold');
    const folded = run(t, { name: 'fold', buffers: { columns: sent, out: new Float64Array(x.length) }, params, items: planes });
    close(t, folded.buffers.out, back, 'fold');
  });

  if (!pooling.includes(window)) continue;
  const params = { ...undilated, outHeight, outWidth };

  test(`maxPool2d finds the first maximum of each window and NaN wins: ${count}`, (t) => {
    const x = tied(planes * size);
    const [values, places]: [number[], number[]] = [[], []];
    for (let plane = 0; plane < planes; plane++)
      for (let out = 0; out < outs; out++) {
        const inside = covered(window, Math.floor(out / outWidth), out % outWidth).map(({ at }) => at);
        const at =
          inside.find((place) => Number.isNaN(x[plane * size + place])) ?? firstMaximum(inside, x.subarray(plane * size));
        places.push(at);
        values.push(x[plane * size + at]!);
      }
    const buffers = { x, out: new Float64Array(planes * outs), index: new Int32Array(planes * outs) };
    const result = run(t, { name: 'maxPool2d', buffers, params, items: planes });
    close(t, result.buffers.out, values, 'values');
    t.deepEqual([...result.buffers.index!], places);

    const dout = randoms(planes * outs);
    const index = Int32Array.from(places);
    const expected = new Array<number>(planes * size).fill(0);
    for (const [at, place] of places.entries()) expected[Math.floor(at / outs) * size + place]! += dout[at]!;
    const sizes = { planeSize: size, outSize: outs };
    const gradient = run(t, {
      name: 'maxPool2dGrad',
      buffers: { dout, index, dx: new Float64Array(planes * size) },
      params: sizes,
      items: planes,
    });
    close(t, gradient.buffers.dx, expected, 'gradient');
    const gathered = run(t, {
      name: 'maxPool2dGather',
      buffers: { x, index, out: new Float64Array(planes * outs) },
      params: sizes,
      items: planes,
    });
    close(t, gathered.buffers.out, values, 'gather');
  });

  for (const [exclusive, divisor] of [
    [1, 0],
    [0, 0],
    [1, 5],
  ] as const)
    test(`avgPool2d means and their gradient, exclusive ${exclusive}, divisor ${divisor}: ${count}`, (t) => {
      const x = randoms(planes * size);
      const dout = randoms(planes * outs);
      const means: number[] = [];
      const gradient = new Array<number>(planes * size).fill(0);
      for (let plane = 0; plane < planes; plane++)
        for (let out = 0; out < outs; out++) {
          const inside = covered(window, Math.floor(out / outWidth), out % outWidth);
          const by = divisor || (exclusive ? inside.length : taps);
          means.push(inside.reduce((sum, { at }) => sum + x[plane * size + at]!, 0) / by);
          for (const { at } of inside) gradient[plane * size + at]! += dout[plane * outs + out]! / by;
        }
      const padded = { paddedHeight: window.h + window.padHeight, paddedWidth: window.w + window.padWidth };
      const all = { ...params, ...padded, exclusive, divisor };
      const forward = run(t, {
        name: 'avgPool2d',
        buffers: { x, out: new Float64Array(planes * outs) },
        params: all,
        items: planes,
      });
      close(t, forward.buffers.out, means, 'means');
      const back = run(t, {
        name: 'avgPool2dGrad',
        buffers: { dout, dx: new Float64Array(planes * size) },
        params: all,
        items: planes,
      });
      close(t, back.buffers.dx, gradient, 'gradient');
    });
}

function firstMaximum(places: readonly number[], values: Float64Array): number {
  return places.reduce((best, place) => (values[place]! > values[best]! ? place : best));
}

// Regions

/** torchvision's bilinear_interpolate, as weights over the plane's elements. */
function bilinearWeights(h: number, w: number, y: number, x: number): [at: number, weight: number][] {
  if (y < -1 || y > h || x < -1 || x > w) return [];
  const clampedY = Math.max(y, 0);
  const clampedX = Math.max(x, 0);
  let yLow = Math.trunc(clampedY);
  let xLow = Math.trunc(clampedX);
  const atBottom = yLow >= h - 1;
  const atRight = xLow >= w - 1;
  if (atBottom) yLow = h - 1;
  if (atRight) xLow = w - 1;
  const yHigh = atBottom ? h - 1 : yLow + 1;
  const xHigh = atRight ? w - 1 : xLow + 1;
  const ly = atBottom ? 0 : clampedY - yLow;
  const lx = atRight ? 0 : clampedX - xLow;
  return [
    [yLow * w + xLow, (1 - ly) * (1 - lx)],
    [yLow * w + xHigh, (1 - ly) * lx],
    [yHigh * w + xLow, ly * (1 - lx)],
    [yHigh * w + xHigh, ly * lx],
  ];
}

for (const [samplingRatio, aligned] of [
  [2, 0],
  [2, 1],
  [0, 0],
  [0, 1],
] as const)
  test(`roiAlign and its gradient follow torchvision, sampling ratio ${samplingRatio}, aligned ${aligned}`, (t) => {
    const [images, channels, h, w, pooledHeight, pooledWidth, spatialScale] = [2, 2, 6, 7, 2, 3, 0.5];
    const rois = Float64Array.from([0, 0, 10, 9, 3.3, 2.1, 3.6, 2.4, -6, -4, 20, 18, 8, 1, 13, 11]);
    const image = Int32Array.from([1, 0, 1, 1]);
    const regions = image.length;
    const x = randoms(images * channels * h * w);
    const out = new Array<number>(regions * channels * pooledHeight * pooledWidth).fill(0);
    const dout = randoms(out.length);
    const dx = new Array<number>(x.length).fill(0);
    for (let r = 0; r < regions; r++) {
      const [x1, y1, x2, y2] = [...rois.subarray(r * 4, r * 4 + 4)].map((value) => value * spatialScale - (aligned ? 0.5 : 0));
      const width = aligned ? x2! - x1! : Math.max(x2! - x1!, 1);
      const height = aligned ? y2! - y1! : Math.max(y2! - y1!, 1);
      const gridH = samplingRatio > 0 ? samplingRatio : Math.ceil(height / pooledHeight);
      const gridW = samplingRatio > 0 ? samplingRatio : Math.ceil(width / pooledWidth);
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < pooledHeight; i++)
          for (let j = 0; j < pooledWidth; j++)
            for (let sample = 0; sample < gridH * gridW; sample++) {
              const y = y1! + (i + (Math.floor(sample / gridW) + 0.5) / gridH) * (height / pooledHeight);
              const across = x1! + (j + ((sample % gridW) + 0.5) / gridW) * (width / pooledWidth);
              const place = ((r * channels + c) * pooledHeight + i) * pooledWidth + j;
              for (const [at, weight] of bilinearWeights(h, w, y, across)) {
                const source = (image[r]! * channels + c) * h * w + at;
                out[place]! += (weight * x[source]!) / Math.max(gridH * gridW, 1);
                dx[source]! += (weight * dout[place]!) / Math.max(gridH * gridW, 1);
              }
            }
    }
    const params = { images, channels, h, w, pooledHeight, pooledWidth, spatialScale, samplingRatio, aligned, regions };
    const forward = run(t, {
      name: 'roiAlign',
      buffers: { x, rois, image, out: new Float64Array(out.length) },
      params,
      items: regions * channels,
    });
    close(t, forward.buffers.out, out, 'out');
    const back = run(t, {
      name: 'roiAlignGrad',
      buffers: { dout, rois, image, dx: new Float64Array(x.length) },
      params,
      items: images * channels,
    });
    close(t, back.buffers.dx, dx, 'dx');
  });

test('roiAlign reports a region of an image that does not exist', (t) => {
  const params = {
    images: 1,
    channels: 1,
    h: 2,
    w: 2,
    pooledHeight: 1,
    pooledWidth: 1,
    spatialScale: 1,
    samplingRatio: 1,
    aligned: 0,
  };
  const buffers = { x: randoms(4), rois: Float64Array.from([0, 0, 1, 1]), image: Int32Array.from([1]), out: new Float64Array(1) };
  t.is(run(t, { name: 'roiAlign', buffers, params, items: 1 }).error, 1);
});
