/**
 * Transposed copies on the CUDA device, with the simulated driver, which checks bounds, races and what was never written: of every width
 * of element, by blocks of threads that turn tiles.
 */
import test from 'ava';
import { reshape, tensor, tidy, transpose } from '../entry/index.js';
import { isSimulated, openNoting } from './cuda-device-harness.js';

const withSimulator = isSimulated ? test.serial : test.serial.skip;

const [images, height, width] = [2, 37, 70];
const size = images * height * width;
const fits = Float64Array.from({ length: size }, (_, at) => (at * 31) % 127);
const turned = Array.from({ length: size }, (_, at) => {
  const [image, place] = [Math.floor(at / (height * width)), at % (height * width)];
  return fits[image * height * width + (place % height) * width + Math.floor(place / height)]!;
});

withSimulator('rows and columns of images change places', (t) => {
  for (const order of ['reverse', 'shuffle:9']) {
    const device = openNoting({ checks: 1, order });
    for (const dtype of ['bool', 'uint8', 'int16', 'float16', 'bfloat16', 'float32', 'int64', 'float64'] as const)
      tidy(() => {
        const x = tensor(fits, { device, dtype, shape: [images, height, width] });
        const threads = device.threadsOf(() => {
          const found = reshape(transpose(x, [0, 2, 1]), [size]).dataSync();
          const expected = dtype === 'bool' ? turned.map((value) => Number(value !== 0)) : turned;
          t.deepEqual(Array.from<number | bigint, number>(found, Number), expected, dtype);
        });
        t.is(threads.get('fused_tile'), 256);
      });
  }
});
