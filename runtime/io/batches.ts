/**
 * Batches of examples from tensors, in order or shuffled: the loop over a dataset. Everything is in memory; reading files, decoding
 * and augmenting are the caller's.
 */
import { tensorFromRaw } from '../create.js';
import type { Dtype } from '../dtype.js';
import { formatValue, OpwrightError } from '../errors.js';
import { sameShape } from '../layout.js';
import { checkOptions } from '../options.js';
import { defaultGenerator, drawWords, Generator as RandomGenerator } from '../random.js';
import { ops } from '../registry.js';
import { Tensor } from '../tensor.js';

export interface BatchOptions {
  readonly batchSize: number;
  /** Whether examples come in random order, a new one in each pass; false by default. */
  readonly shuffle?: boolean;
  /** Makes the order that of this seed; unless given, it is drawn from the default generator. */
  readonly seed?: number | bigint;
  /** Leaves out a last batch that is not full; false by default. */
  readonly dropLast?: boolean;
}

/** Tensors with the same first dimension: example i is row i of each. */
export type TensorDataset = Readonly<Record<string, Tensor>>;
/** The dataset's keys, with some of its rows under each. */
export type Batch<T extends TensorDataset> = {
  readonly [K in keyof T]: T[K] extends Tensor<infer D extends Dtype> ? Tensor<D> : never;
};

/**
 * One pass over a dataset:
 *
 *     for (const { images, labels } of batches({ images, labels }, { batchSize: 64, shuffle: true })) { ... }
 *
 * A batch's tensors are disposed when the next batch is asked for or the loop ends, except those given to keep().
 *
 * Throws SHAPE_MISMATCH unless the first dimensions agree, INVALID_ARGUMENT, NOT_AN_INTEGER, UNKNOWN_OPTION.
 *
 * @example
 * ```ts
 * const points = tensor([[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]]);
 * const labels = tensor([0, 1, 2, 3, 4], { dtype: 'int32' });
 * for (const batch of batches({ points, labels }, { batchSize: 2, shuffle: true, seed: 1 })) {
 *   console.log(batch.points.shape, batch.labels.tolist());
 * }
 * ```
 */
export function batches<T extends TensorDataset>(dataset: T, options: BatchOptions): Generator<Batch<T>, void, undefined> {
  const places = batchIndices(countExamples(dataset), options);
  return (function* () {
    for (const indices of places) {
      const batch = pickRows(dataset, indices);
      try {
        yield batch;
      } finally {
        for (const tensor of Object.values<Tensor>(batch)) if (!tensor.isKept) tensor.dispose();
      }
    }
  })();
}

/**
 * The places of one pass over `count` examples, a batch at a time, for data that does not lie in tensors. Options and errors are those
 * of `batches`.
 *
 * @example
 * ```ts
 * for (const places of batchIndices(5, { batchSize: 2 })) console.log(places);
 * ```
 */
export function batchIndices(count: number, options: BatchOptions): Generator<Int32Array, void, undefined> {
  checkOptions('batches', options, ['batchSize', 'shuffle', 'seed', 'dropLast']);
  checkCount('count', count, 0);
  checkCount('batchSize', options.batchSize, 1);
  const { batchSize, shuffle = false, dropLast = false, seed } = options;
  const generator = seed === undefined ? defaultGenerator : new RandomGenerator(seed);
  return (function* () {
    const order = Int32Array.from({ length: count }, (_, index) => index);
    if (shuffle) shuffleInPlace(order, generator);
    const end = dropLast ? count - (count % batchSize) : count;
    for (let start = 0; start < end; start += batchSize) yield order.slice(start, start + batchSize);
  })();
}

/** Fisher and Yates. A draw of 32 bits favours no place over another by more than count / 2^32. */
function shuffleInPlace(order: Int32Array, generator: RandomGenerator): void {
  const words = drawWords(generator.next(order.length), order.length);
  for (let last = order.length - 1; last > 0; last--) {
    const chosen = Math.floor((words[last]! / 2 ** 32) * (last + 1));
    const value = order[last]!;
    order[last] = order[chosen]!;
    order[chosen] = value;
  }
}

function pickRows<T extends TensorDataset>(dataset: T, indices: Int32Array): Batch<T> {
  using index = tensorFromRaw(indices, [indices.length], 'int32');
  const rows = Object.entries(dataset).map(([name, tensor]) => [name, ops.gather(tensor, index)]);
  return Object.fromEntries(rows);
}

function countExamples(dataset: TensorDataset): number {
  const tensors = Object.entries(dataset);
  for (const [name, tensor] of tensors) {
    if (tensor instanceof Tensor && tensor.rank > 0) continue;
    throw new OpwrightError(
      'INVALID_ARGUMENT',
      `The dataset's ${name} is ${formatValue(tensor)}, not a tensor with a first dimension.`,
      {
        op: 'batches',
        argument: 'dataset',
      },
    );
  }
  const [first] = tensors;
  if (first === undefined)
    throw new OpwrightError('INVALID_ARGUMENT', 'The dataset has no tensors.', { op: 'batches', argument: 'dataset' });
  if (!tensors.every(([, { shape }]) => sameShape(shape.slice(0, 1), first[1].shape.slice(0, 1)))) {
    throw new OpwrightError('SHAPE_MISMATCH', 'The tensors of a dataset must have as many rows each.', {
      op: 'batches',
      argument: 'dataset',
      shapes: Object.fromEntries(tensors.map(([name, { shape }]) => [name, shape])),
    });
  }
  return first[1].shape[0]!;
}

function checkCount(argument: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  const code = Number.isInteger(value) ? 'INVALID_ARGUMENT' : 'NOT_AN_INTEGER';
  throw new OpwrightError(code, `${argument} must be an integer of at least ${least}, not ${formatValue(value)}.`, {
    op: 'batches',
    argument,
  });
}
