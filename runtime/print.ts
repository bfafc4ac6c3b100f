/**
 * Tensors as text, in NumPy's manner: nested brackets, the fewest digits that tell the elements apart, columns aligned, the middle of
 * large tensors left out. It only formats: elements are handed to it.
 */
import type { Shape } from '../kernels/op.js';
import {
  type DataArray,
  type Dtype,
  encodeBfloat16,
  encodeFloat16,
  isComplexDtype,
  isFloating,
  partsOf,
  realOf,
} from './dtype.js';
import { formatShape, OpwrightError } from './errors.js';

/** How tensors are printed. */
export interface PrintOptions {
  /** The most digits after the point. */
  readonly precision: number;
  /** Tensors with more elements are summarised. */
  readonly threshold: number;
  /** How many elements a summary shows at each end of a dimension. */
  readonly edgeItems: number;
  /** Rows are broken so that lines are no longer than this. */
  readonly lineWidth: number;
}

let options: PrintOptions = { precision: 8, threshold: 1000, edgeItems: 3, lineWidth: 75 };

/**
 * How tensors are printed.
 *
 * @example
 * ```ts
 * console.log(getPrintOptions());
 * ```
 */
export function getPrintOptions(): PrintOptions {
  return options;
}

/**
 * Changes some of the options; each must be an integer >= 0.
 *
 * @example
 * ```ts
 * const before = getPrintOptions();
 * setPrintOptions({ precision: 3 });
 * console.log(tensor([Math.PI, Math.E]));
 * setPrintOptions(before);
 * ```
 */
export function setPrintOptions(changes: Partial<PrintOptions>): void {
  for (const [name, value] of Object.entries(changes)) {
    if (!Object.hasOwn(options, name)) {
      throw new OpwrightError('UNKNOWN_OPTION', `setPrintOptions has no option ${name}.`, {
        op: 'setPrintOptions',
        argument: name,
        remedy: `Use one of ${Object.keys(options).join(', ')}.`,
      });
    }
    if (!Number.isInteger(value) || value < 0) {
      throw new OpwrightError('NOT_AN_INTEGER', `${name} must be an integer >= 0.`, { op: 'setPrintOptions', argument: name });
    }
  }
  options = { ...options, ...changes };
}

/** What formatTensor needs to know of a tensor. */
export interface Printable {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly device: { readonly name: string };
  readonly stopGradient: boolean;
}

/**
 * `tensor([[1., 2.], [3., 4.]], shape=[2, 2], dtype=float32, device=cpu)`, over several lines. `elements` are in row-major order, or
 * null where they are gone.
 */
export function formatTensor(tensor: Printable, elements: DataArray | null): string {
  const start = 'tensor(';
  const facts = [`shape=${formatShape(tensor.shape)}`, `dtype=${tensor.dtype}`, `device=${tensor.device.name}`];
  if (!tensor.stopGradient) facts.push('stopGradient=false');
  const body = elements === null ? 'disposed' : formatElements(elements, tensor.shape, tensor.dtype, start.length);
  const lastLine = body.length - body.lastIndexOf('\n') - 1;
  const onOneLine = lastLine + facts.join(', ').length + 3 <= options.lineWidth + start.length;
  return `${start}${body},${onOneLine ? ' ' : `\n${' '.repeat(start.length)}`}${facts.join(', ')})`;
}

/** The elements alone, in brackets; lines after the first are indented by `indent`. */
export function formatElements(elements: DataArray, shape: Shape, dtype: Dtype, indent = 0): string {
  const summarise = elements.length > options.threshold * partsOf(dtype);
  const shown = shownPlaces(shape, summarise);
  const format = isComplexDtype(dtype)
    ? complexFormatter(elements, shown, realOf(dtype))
    : elementFormatter(elements, shown, dtype);
  return formatAxis({ shape, summarise, format }, 0, 0, indent);
}

/** The element at a place as text; all are of one width. */
type Format = (place: number) => string;

interface Job {
  readonly shape: Shape;
  readonly summarise: boolean;
  readonly format: Format;
}

function elementFormatter(elements: DataArray, shown: readonly number[], dtype: Dtype): Format {
  const format = createFormatter(
    shown.map((place) => elements[place]!),
    dtype,
  );
  return (place) => format(elements[place]!);
}

/** `1.+2.5j`: both parts as floats are, each aligned for itself, the imaginary one with a sign. */
function complexFormatter(elements: DataArray, shown: readonly number[], dtype: Dtype): Format {
  const real = (place: number): number => Number(elements[2 * place]);
  const imaginary = (place: number): number => Number(elements[2 * place + 1]);
  const formatReal = floatFormatter(shown.map(real), dtype);
  const formatImaginary = floatFormatter(
    shown.map((place) => Math.abs(imaginary(place))),
    dtype,
  );
  return (place) => {
    const value = imaginary(place);
    const text = formatImaginary(Math.abs(value));
    const digits = text.trimEnd();
    const sign = value < 0 || Object.is(value, -0) ? '-' : '+';
    // What aligns the digits stands before the sign and after the unit.
    const padding = digits.length - digits.trimStart().length;
    return `${formatReal(real(place))}${' '.repeat(padding)}${sign}${digits.trimStart()}j${' '.repeat(text.length - digits.length)}`;
  };
}

/** One dimension: its elements on one line, broken where it grows too long, or its rows each on lines of their own. */
function formatAxis(job: Job, axis: number, place: number, indent: number): string {
  const { shape, format } = job;
  if (axis === shape.length) return format(place);
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const parts: string[] = [];
  for (const index of shownIndices(shape[axis]!, job.summarise)) {
    parts.push(index === null ? '...' : formatAxis(job, axis + 1, place + index * inner, indent + 1));
  }
  const rank = shape.length - axis;
  const text = rank === 1 ? wrap(parts, indent + 1) : parts.join(`,${'\n'.repeat(rank - 1)}${' '.repeat(indent + 1)}`);
  return `[${text}]`;
}

function wrap(parts: readonly string[], indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    if (line !== '' && indent + line.length + part.length + 3 > options.lineWidth) {
      lines.push(line);
      line = part;
    } else {
      line = line === '' ? part : `${line}, ${part}`;
    }
  }
  lines.push(line);
  return lines.join(`,\n${' '.repeat(indent)}`);
}

/** The indices printed along a dimension; null stands for those left out. */
function shownIndices(size: number, summarise: boolean): readonly (number | null)[] {
  const { edgeItems } = options;
  if (!summarise || size <= 2 * edgeItems) return Array.from({ length: size }, (_, index) => index);
  const head = Array.from({ length: edgeItems }, (_, index) => index);
  return [...head, null, ...head.map((index) => size - edgeItems + index)];
}

/** The places of all elements that will be printed. */
function shownPlaces(shape: Shape, summarise: boolean): readonly number[] {
  let places: number[] = [0];
  for (const size of shape) {
    const indices = shownIndices(size, summarise).filter((index) => index !== null);
    places = places.flatMap((place) => indices.map((index) => place * size + index));
  }
  return places;
}

/** Elements become strings of one width, so the format depends on all that are shown. */
function createFormatter(shown: readonly (number | bigint)[], dtype: Dtype): (value: number | bigint) => string {
  if (isFloating(dtype)) return floatFormatter(shown.map(Number), dtype);
  const plain = (value: number | bigint) => (dtype === 'bool' ? (value ? 'true' : 'false') : String(value));
  const width = Math.max(0, ...shown.map((value) => plain(value).length));
  return (value) => plain(value).padStart(width);
}

function floatFormatter(shown: readonly number[], dtype: Dtype): (value: number | bigint) => string {
  const magnitudes = shown.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const largest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = magnitudes.reduce((a, b) => Math.min(a, b), Infinity);
  const scientific = magnitudes.length > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
  const digitsOf = (value: number) => splitNumber(value, dtype, scientific);
  const finite = shown.filter(Number.isFinite).map(digitsOf);
  const wholeWidth = Math.max(0, ...finite.map((parts) => parts.whole.length));
  const fractionWidth = Math.max(0, ...finite.map((parts) => parts.fraction.length));
  const exponentWidth = Math.max(0, ...finite.map((parts) => parts.exponent.length));
  const special = Math.max(0, ...shown.filter((value) => !Number.isFinite(value)).map((value) => specialName(value).length));
  const finiteWidth = finite.length === 0 ? 0 : wholeWidth + 1 + fractionWidth + exponentWidth;
  const width = Math.max(special, finiteWidth);
  return (element) => {
    const value = Number(element);
    if (!Number.isFinite(value)) return specialName(value).padStart(width);
    const { whole, fraction, exponent } = digitsOf(value);
    const padded = scientific ? fraction.padEnd(fractionWidth, '0') : fraction.padEnd(fractionWidth);
    return `${whole}.${padded}${exponent}`.padStart(width);
  };
}

function specialName(value: number): string {
  return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
}

interface NumberParts {
  readonly whole: string;
  readonly fraction: string;
  readonly exponent: string;
}

function splitNumber(value: number, dtype: Dtype, scientific: boolean): NumberParts {
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const digits = significantDigits(Math.abs(value), dtype);
  const text = scientific ? limitExponential(Math.abs(value), digits) : limitFixed(Math.abs(value), digits);
  const [mantissa = '', exponent = ''] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const signed = exponent === '' ? '' : `e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  return { whole: sign + whole, fraction: fraction.replace(/0+$/, ''), exponent: signed };
}

function limitExponential(magnitude: number, digits: number): string {
  return magnitude.toExponential(Math.min(digits - 1, options.precision));
}

function limitFixed(magnitude: number, digits: number): string {
  if (magnitude === 0) return '0';
  // The place of the leading digit decides how many of the significant ones stand after the point.
  const leading = Number(magnitude.toExponential().split('e')[1]);
  return magnitude.toFixed(Math.min(Math.max(digits - 1 - leading, 0), options.precision));
}

/** Digits that suffice to read a value of each floating dtype back unchanged. */
const digitsOfDtype: Readonly<Partial<Record<Dtype, number>>> = { float16: 5, bfloat16: 4, float32: 9, float64: 17 };

/** The fewest significant digits with which the value reads back unchanged in its dtype. */
function significantDigits(magnitude: number, dtype: Dtype): number {
  const most = digitsOfDtype[dtype] ?? 17;
  for (let digits = 1; digits < most; digits++) {
    if (readsBack(Number(magnitude.toPrecision(digits)), magnitude, dtype)) return digits;
  }
  return most;
}

function readsBack(decimal: number, magnitude: number, dtype: Dtype): boolean {
  if (dtype === 'float16') return encodeFloat16(decimal) === encodeFloat16(magnitude);
  if (dtype === 'bfloat16') return encodeBfloat16(decimal) === encodeBfloat16(magnitude);
  return (dtype === 'float32' ? Math.fround(decimal) : decimal) === magnitude;
}
