/**
 * The kernel that a compiler has to get right before it is given others: x * x + x in vectors as wide as kernels will have them. It runs
 * once in a program of its own, where instructions that the processor lacks do no harm, then as a library in this process, as kernels do.
 */
import { F32, fma, forItems, kernel as kernelOf, load, store } from '../../../../kernels/build.js';
import { gnuC } from '../../../../kernels/c/dialect.js';
import { printC, symbolOf } from '../../../../kernels/c/printer.js';
import { paramLayout } from '../../../../kernels/ir.js';
import { vectorise } from '../../../../kernels/vectorise.js';
import { addressOfBytes, openLibrary } from '../../ffi.js';

const trial = kernelOf(
  'trial',
  [{ name: 'x', storage: 'float32', access: 'readwrite' }],
  [],
  [
    forItems(
      'i',
      (i) => {
        const x = load(F32, 'x', i);
        return [store('x', i, fma(x, x, x))];
      },
      { vector: true },
    ),
  ],
);

/** More than four of the widest vectors, and not a multiple of any. */
const items = 75;
const dataAt = 64;
const bytes = dataAt + 4 * items;
const xAt = paramLayout(trial, 4).offsets.get('x')!;

export function trialSource(vectorBytes: number): string {
  return printC(vectorise(trial, { vectorBytes }), gnuC);
}

/** The same with a main function that ends with 0 if the results are right; `count` is 1, which the compiler does not know. */
export function trialProgram(vectorBytes: number): string {
  return `${trialSource(vectorBytes)}
int main(int count) {
  static char memory[${bytes}] __attribute__((aligned(64)));
  float *x = (float *)(memory + ${dataAt});
  *(u32 *)(memory + ${xAt}) = ${dataAt};
  for (i32 i = 0; i < ${items}; i++) x[i] = i * count;
  ${symbolOf(trial.name)}(memory, 0, 0, ${items});
  for (i32 i = 0; i < ${items}; i++) if (x[i] != i * i + i) return 1;
  return 0;
}
`;
}

/** Loads the library and calls it over memory of this process. Throws if it cannot be loaded; false if its results are wrong. */
export function runTrial(path: string): boolean {
  const run = openLibrary(path).function(symbolOf(trial.name), 'void', ['address', 'u32', 'i32', 'i32']);
  // Shared memory is what kernels run over, and what never moves.
  const memory = new SharedArrayBuffer(bytes);
  const x = new Float32Array(memory, dataAt);
  new DataView(memory).setUint32(xAt, dataAt, true);
  for (let i = 0; i < items; i++) x[i] = i;
  run(addressOfBytes(new Uint8Array(memory)), 0, 0, items);
  return x.every((value, i) => value === i * i + i);
}
