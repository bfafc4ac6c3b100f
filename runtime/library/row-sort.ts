/**
 * Sorting rows that lie one after the other in memory. Short rows are merged by one kernel (kernels/functions/sort.ts), a work item a
 * row, or on a GPU put in the order of ranks (ranks.ts), a work item an element; long ones are sorted by the digits of their keys in several
 * launches (kernels/functions/radix.ts), so that threads share a row. All keep the order of equal elements. Tensors and their layouts are
 * sort.ts's and selection.ts's business.
 */
import { bytesOf } from '../../kernels/ir.js';
import type { Device } from '../devices/device.js';
import type { ComplexDtype, Dtype } from '../dtype.js';
import { BlockedRows, DigitPass } from './digits.js';
import { functionLaunch, type KernelLaunch, withScratch } from './launch.js';
import { firstOfRows } from './ranks.js';

/** Rows of at least this many elements are sorted by digits. A GPU compares each of so few with all of them in less than a dozen launches take. */
const leastByDigits: Readonly<Record<Device['machine'], number>> = { cpu: 512, gpu: 2048 };
/** From this length on a row is worth the counters of wide digits, which mean fewer passes; small blocks never are. */
const leastForWideDigits = 1 << 14;
const wideDigit = 11;
const narrowDigit = 8;

export interface RowSort {
  /** Takes and fills memory at these addresses: elements, then elements in order and their places (int32). */
  run(x: number, values: number, index: number): void;
  free(): void;
}

export interface Rows {
  readonly rows: number;
  readonly n: number;
  readonly dtype: Dtype;
  readonly descending: boolean;
}

export function rowSort(device: Device, rows: Rows): RowSort {
  const { machine } = device;
  if (rows.n >= leastByDigits[machine]) return new DigitSort(device, rows);
  return machine === 'gpu' ? firstOfRows(device, rows, rows.n) : new MergeSort(device, rows);
}

class MergeSort implements RowSort {
  private readonly launch: KernelLaunch;
  private readonly scratch: readonly number[];

  constructor(
    private readonly device: Device,
    { rows, n, dtype, descending }: Rows,
  ) {
    const integers = { n, descending: Number(descending) };
    this.launch = functionLaunch(device, 'sortRows', { T: dtype }, integers, n === 0 ? 0 : rows, n * Math.log2(n + 1));
    this.scratch = [rows * n * bytesOf[dtype], rows * n * bytesOf.int32];
  }

  run(x: number, values: number, index: number): void {
    withScratch(this.device, this.scratch, ([scratch, scratchIndex]) => {
      this.launch.runWith({ x, values, index, scratch: scratch!, scratchIndex: scratchIndex! });
    });
  }

  free(): void {
    this.launch.free();
  }
}

// ---- By digits

/** How the bits of a dtype become keys, in the words of radix.ts. */
interface KeyForm {
  /** The bits of a key, or of each half of one. */
  readonly keyBits: number;
  readonly numbers: 'unsigned' | 'signed' | 'float';
  /** By how much an element's bits are moved to the left end of its register, where they do not stand there already. */
  readonly up?: number;
}

type KeyedDtype = Exclude<Dtype, 'bool' | ComplexDtype>;

const keyForms: Readonly<Record<KeyedDtype, KeyForm>> = {
  uint8: { keyBits: 8, numbers: 'unsigned', up: 24 },
  int8: { keyBits: 8, numbers: 'signed', up: 24 },
  int16: { keyBits: 16, numbers: 'signed', up: 16 },
  int32: { keyBits: 32, numbers: 'signed' },
  int64: { keyBits: 32, numbers: 'signed' },
  // A float32 in its register, with zeros at the end.
  float16: { keyBits: 19, numbers: 'float' },
  bfloat16: { keyBits: 16, numbers: 'float' },
  float32: { keyBits: 32, numbers: 'float' },
  float64: { keyBits: 32, numbers: 'float' },
};

const hasKeys = (dtype: Dtype): dtype is KeyedDtype => Object.hasOwn(keyForms, dtype);

const allBits = -1;
const signBit = 1 << 31;
const allButSign = ~signBit;

/** How elements of up to 32 bits become signed keys in their order, or in the opposite one (kernels/functions/sort.ts, keyOf). */
export function keyOrder(dtype: Dtype, reversed: boolean): { readonly fold: number; readonly flip: number } {
  return { fold: hasKeys(dtype) && keyForms[dtype].numbers === 'float' ? allButSign : 0, flip: reversed ? allBits : 0 };
}

/** The kernels that make words, in the order of their turns; the passes over all digits follow each of them. */
function wordMakers(dtype: Dtype, form: KeyForm, descending: boolean): [string, Record<string, number>][] {
  const turned = descending ? allBits : 0;
  const flip = (form.numbers === 'unsigned' ? 0 : signBit) ^ turned;
  const isFloat = form.numbers === 'float';
  const fold = isFloat ? allButSign : 0;
  if (bytesOf[dtype] < 8) return [['sortWords', { fold, up: form.up ?? 0, flip, drop: 32 - form.keyBits }]];
  return [
    ['sortLowWords', { fold: isFloat ? allBits : 0, flip: turned }],
    ['sortHighWords', { fold, flip }],
  ];
}

class DigitSort implements RowSort {
  private readonly makers: readonly KernelLaunch[];
  private readonly passes: readonly DigitPass[];
  private readonly results: KernelLaunch;
  private readonly scratch: readonly number[];

  constructor(
    private readonly device: Device,
    { rows, n, dtype, descending }: Rows,
  ) {
    if (!hasKeys(dtype)) throw new TypeError(`${dtype} elements have no keys`);
    const cut = new BlockedRows(device, rows, n);
    const overBlocks = (name: string, integers: Readonly<Record<string, number>> = {}) =>
      functionLaunch(device, name, { T: dtype }, { ...cut.integers, ...integers }, cut.items, 4 * cut.itemSize);
    const form = keyForms[dtype];
    this.makers = wordMakers(dtype, form, descending).map(([name, integers]) => overBlocks(name, integers));
    const isNarrow = device.machine === 'gpu' || n < leastForWideDigits;
    const count = Math.ceil(form.keyBits / (isNarrow ? narrowDigit : wideDigit));
    const width = Math.ceil(form.keyBits / count);
    this.passes = Array.from({ length: count }, (_, pass) => new DigitPass(device, cut, { shift: pass * width, width }));
    this.results = overBlocks('sortResults');
    this.scratch = [cut.wordBytes, cut.wordBytes, ...DigitPass.tableBytes(cut, width)];
  }

  run(x: number, values: number, index: number): void {
    withScratch(this.device, this.scratch, ([first, second, counts, starts]) => {
      let [words, target] = [first!, second!];
      for (const maker of this.makers) {
        maker.runWith({ x, words });
        for (const pass of this.passes) {
          pass.run(words, target, counts!, starts!);
          [words, target] = [target, words];
        }
      }
      this.results.runWith({ x, words, values, index });
    });
  }

  free(): void {
    for (const part of [...this.makers, ...this.passes, this.results]) part.free();
  }
}
