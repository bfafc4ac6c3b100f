/**
 * The binding of a fused kernel to operands: which variants run, with which parameters, over how many work items.
 *
 * Everything here follows from shapes and strides alone, never from the number of threads, so that results repeat bit for bit.
 */
import { type FusedKernel, type FusedNode, fusedKernel, schedule } from '../fused.js';
import { bytesOf, isComplexStorage, type Storage } from '../ir.js';
import { mapOperations } from '../map-operations.js';
import { type InnerStride, scratchBuffers, type Transposition, type Variant } from './declarations.js';
import { groupTile } from './group-transposed.js';
import { innerStride, keptSize, keptStride, reducedSize, reducedStride, stripName } from './names.js';
import { collapse, type Dimension, denseStrides } from './space.js';
import { stripElements } from './transposed.js';
import { scratchStorage } from './values.js';

/** A buffer that a launch reads or writes: one of the fused kernel's operands, or scratch that the caller provides. */
export type BufferSource =
  | { readonly kind: 'input'; readonly input: number }
  | { readonly kind: 'output'; readonly output: number }
  | { readonly kind: 'scratch'; readonly scratch: number };

export interface Launch {
  readonly kernel: FusedKernel;
  readonly variant: Variant;
  readonly params: Readonly<Record<string, number>>;
  /** Where each input, output and scratch buffer of `kernel` comes from, in the caller's numbering. */
  readonly inputs: readonly BufferSource[];
  readonly outputs: readonly BufferSource[];
  /** Scratch that only this launch uses: buffer name and the caller's scratch number. */
  readonly rows: readonly { readonly name: string; readonly scratch: number }[];
  readonly work: number;
  readonly grain: number;
}

export interface Binding {
  readonly launches: readonly Launch[];
  /** Bytes of each scratch buffer. */
  readonly scratch: readonly number[];
}

/** Elements of work that are worth a thread's while, for a kernel of plain arithmetic. */
const grainElements = 1 << 15;
const columnTile = 256;
/** The tile form: tall, because inputs are read along the height; and the least size of both dimensions that it is worth while for. */
const tileSize: { readonly height: number; readonly width: number } = { height: 512, width: 256 };
const leastTiled = 8;
/** 32-bit elements whose rows, so far apart, share so few places of a cache that a tile does not stay in it. */
const evictingStride = 512;
/** Vectors that all processors have; a square of theirs is less than a cache line wide. */
const narrowVector = 16;
/** Elements from which on an output that was transposed goes past the caches: with as much that is read, it is more than they hold. */
const leastStreamed = 1 << 22;
/** Elements of an input that lies across from which on it is worth a launch of its own to write it out. */
const leastCopied = 1 << 12;
/** A reduction of at least this many elements over few rows is folded in parts. */
const splitLength = 1 << 15;
const splitRows = 32;

/** How rows are cut into parts: none is shorter than `least`, and there are about `most` at most. */
interface Parts {
  readonly least: number;
  readonly most: number;
}
const processorParts: Parts = { least: 1 << 13, most: 64 };
/** For GPUs: with so many rows or columns all of it is busy without parts. Each thread of a group adds up a share of a part. */
const rowParts = { leastLength: 1 << 15, mostRows: 256, least: 1 << 13, most: 1024 } as const;
const columnParts = { leastLength: 1 << 11, mostRows: 1 << 15, least: 1 << 8, most: 64 } as const;

/** What kernels are bound for: few threads with caches of their own, or thousands that share work out (kernels/distribute.ts). */
export type Machine = 'cpu' | 'gpu';

/**
 * `dimensions` is the whole iteration space, uncollapsed; strides are those of inputs, then outputs. `vectorBytes` are those of a register
 * in which a copy turns squares.
 */
export function bind(
  kernel: FusedKernel,
  dimensions: readonly Dimension[],
  machine: Machine = 'cpu',
  vectorBytes = narrowVector,
): Binding {
  if (dimensions.some((dimension) => dimension.size === 0 && !dimension.reduced)) return { launches: [], scratch: [] };
  const collapsed = collapse(dimensions);
  const kept = collapsed.filter((dimension) => !dimension.reduced);
  const reduced = collapsed.filter((dimension) => dimension.reduced);
  const hasReductions = kernel.nodes.some((node) => node.op === 'reduce');
  if (!hasReductions) return machine === 'gpu' ? sideBySide(kernel, kept) : elementwise(kernel, kept, vectorBytes);
  if (reduced.length === 0)
    reduced.push({ size: 1, reduced: true, strides: dimensions[0]?.strides.map(() => 0) ?? noStrides(kernel) });
  const isColumn = kept.length > 0 && collapsed.at(-1)?.reduced === false;
  if (machine === 'gpu') return byGroups(kernel, kept, reduced, isColumn);
  if (isColumn) return column(kernel, kept, reduced);
  if (product(reduced) >= splitLength && product(kept) < splitRows && splittable(kernel))
    return split(kernel, kept, reduced, processorParts);
  return single(kernel, row(kernel, kept, reduced));
}

/** A GPU has no use for tiles, as threads that stand side by side share what they read, but where a copy reads across. */
function sideBySide(kernel: FusedKernel, kept: readonly Dimension[]): Binding {
  if (kept.length <= 1) return single(kernel, flat(kernel, kept));
  const across = contiguousAcross(kernel, kept);
  if (across === undefined || !isCopy(kernel) || !turnsReal(kernel, kept)) return single(kernel, map(kernel, kept));
  const others = kept.filter((_, index) => index !== across);
  const form = tile(kernel, others, kept[across]!, groupTile);
  return single(kernel, { ...form, variant: { ...form.variant, grouped: true } });
}

/** Whether real elements that are in memory are copied to where they lie along the innermost dimension. */
function turnsReal({ inputs }: FusedKernel, kept: readonly Dimension[]): boolean {
  const { dtype, virtual } = inputs[0]!;
  return !virtual && !isComplexStorage(dtype) && kept.at(-1)!.strides[1] === 1;
}

/** Columns are rows whose items, not whose elements, lie side by side. */
function byGroups(kernel: FusedKernel, kept: readonly Dimension[], reduced: readonly Dimension[], isColumn: boolean): Binding {
  const parts = isColumn ? columnParts : rowParts;
  const mayBeSplit = reduced.length === 1 && reduced[0]!.size >= parts.leastLength && product(kept) < parts.mostRows;
  if (mayBeSplit && splittable(kernel)) return split(kernel, kept, reduced, parts, isColumn);
  return single(kernel, row(kernel, kept, reduced, isColumn));
}

type Form = Pick<Launch, 'variant' | 'params' | 'work' | 'grain'>;

function single(kernel: FusedKernel, form: Form): Binding {
  return { launches: [{ kernel, ...form, ...ownOperands(kernel), rows: [] }], scratch: [] };
}

function ownOperands(kernel: FusedKernel): Pick<Launch, 'inputs' | 'outputs'> {
  return {
    inputs: kernel.inputs.map((_, input) => ({ kind: 'input', input })),
    outputs: kernel.outputs.map((_, output) => ({ kind: 'output', output })),
  };
}

function elementwise(kernel: FusedKernel, kept: readonly Dimension[], vectorBytes: number, mayCopy = !isCopy(kernel)): Binding {
  if (kept.length <= 1) return single(kernel, flat(kernel, kept));
  const across = contiguousAcross(kernel, kept);
  if (across === undefined) return single(kernel, map(kernel, kept));
  const others = kept.filter((_, index) => index !== across);
  if (mayCopy && others.at(-1)!.size * kept[across]!.size >= leastCopied) {
    const strided = kernel.inputs.flatMap((_, input) => (isTransposable(kernel, input, kept, across) ? [input] : []));
    if (strided.length > 0) return withCopies(kernel, kept, strided, vectorBytes);
  }
  const form = tile(kernel, others, kept[across]!);
  return isCopy(kernel) && isTransposable(kernel, 0, kept, across) && kept.at(-1)!.strides[1] === 1
    ? transposition(kernel, form, transpositionOf(kept, across, vectorBytes))
    : single(kernel, form);
}

/** How a copy moves squares. Narrow ones go through strips where columns of the input, or rows of the output, evict each other. */
function transpositionOf(kept: readonly Dimension[], across: number, vectorBytes: number): Transposition {
  const lanes = vectorBytes / 4;
  if (vectorBytes > narrowVector) {
    const streams =
      product(kept) >= leastStreamed &&
      kept.every(({ strides }, index) => index === kept.length - 1 || strides[1]! % lanes === 0);
    return streams ? { lanes, through: 'streams' } : { lanes };
  }
  const apart = [kept.at(-1)!.strides[0]!, kept[across]!.strides[1]!];
  return apart.some((stride) => stride % evictingStride === 0) ? { lanes, through: 'strips' } : { lanes };
}

function transposition(kernel: FusedKernel, form: Form, transposes: Transposition): Binding {
  const { launches } = single(kernel, { ...form, variant: { ...form.variant, transposes } });
  if (transposes.through !== 'strips') return { launches, scratch: [] };
  const bytes = form.work * stripElements * bytesOf[kernel.inputs[0]!.dtype];
  return { launches: launches.map((launch) => ({ ...launch, rows: [{ name: stripName, scratch: 0 }] })), scratch: [bytes] };
}

/** Whether an input of 32-bit elements lies along that dimension, so that it is moved in squares. */
function isTransposable(kernel: FusedKernel, input: number, kept: readonly Dimension[], across: number): boolean {
  const { dtype, virtual } = kernel.inputs[input]!;
  const inner = kept.at(-1)!.strides[input]!;
  return !virtual && (dtype === 'float32' || dtype === 'int32') && Math.abs(inner) > 1 && kept[across]!.strides[input] === 1;
}

/** Whether the kernel only moves elements. */
function isCopy({ nodes, inputs, outputs }: FusedKernel): boolean {
  const output = outputs[0]!;
  const moves = nodes.every((node) => node.op === 'input' || (node.op === 'map' && node.map === 'identity'));
  return moves && inputs.length === 1 && outputs.length === 1 && output.dtype === inputs[0]!.dtype;
}

/** Inputs that lie across are first written out as the kernel walks them: that moves squares, and all the rest runs along memory. */
function withCopies(kernel: FusedKernel, kept: readonly Dimension[], inputs: readonly number[], vectorBytes: number): Binding {
  const dense = new Map(
    inputs.map((input) => [input, denseStrides(kept.map(({ size, strides }) => (strides[input] === 0 ? 1 : size)))] as const),
  );
  const scratch: number[] = [];
  const copies = inputs.map((input): Launch => {
    const { dtype } = kernel.inputs[input]!;
    const copied = kept.flatMap(({ size, strides }, index): Dimension[] =>
      strides[input] === 0 ? [] : [{ size, reduced: false, strides: [strides[input]!, dense.get(input)![index]!] }],
    );
    const copy = elementwise(copyOf(dtype), collapse(copied), vectorBytes);
    const [launch] = copy.launches;
    const rows = launch!.rows.map(({ name }) => ({ name, scratch: inputs.length + scratch.length }));
    // Strips come after the copies.
    scratch.push(...copy.scratch);
    return {
      ...launch!,
      inputs: [{ kind: 'input', input }],
      outputs: [{ kind: 'scratch', scratch: inputs.indexOf(input) }],
      rows,
    };
  });
  const moved = kept.map((dimension, index) => ({
    ...dimension,
    strides: dimension.strides.map((stride, operand) => dense.get(operand)?.[index] ?? stride),
  }));
  const [main] = elementwise(kernel, collapse(moved), vectorBytes, false).launches;
  const sources = main!.inputs.map((source, input): BufferSource => {
    const scratch = inputs.indexOf(input);
    return scratch < 0 ? source : { kind: 'scratch', scratch };
  });
  const copyBytes = inputs.map((input) => {
    const sizes = kept.map(({ size, strides }) => (strides[input] === 0 ? 1 : size));
    return sizes.reduce((total, size) => total * size, bytesOf[kernel.inputs[input]!.dtype]);
  });
  return { launches: [...copies, { ...main!, inputs: sources }], scratch: [...copyBytes, ...scratch] };
}

const copyOf = (dtype: Storage): FusedKernel =>
  fusedKernel({
    inputs: [{ dtype, level: 'element' }],
    scalars: [],
    nodes: [
      { op: 'input', input: 0, dtype },
      { op: 'map', map: 'identity', args: [0], dtype },
    ],
    outputs: [{ node: 1, dtype, level: 'element' }],
  });

/** The dimension along which inputs lie contiguous that do not along the innermost one, where it is worth walking both in tiles. */
function contiguousAcross(kernel: FusedKernel, kept: readonly Dimension[]): number | undefined {
  const inner = kept.at(-1)!;
  if (inner.size < leastTiled) return undefined;
  const strided = kernel.inputs.flatMap((_, input) => (Math.abs(inner.strides[input]!) > 1 ? [input] : []));
  let best: number | undefined;
  let bestCount = 0;
  kept.slice(0, -1).forEach(({ size, strides }, index) => {
    const count = size < leastTiled ? 0 : strided.filter((input) => strides[input] === 1).length;
    if (count > bestCount) [best, bestCount] = [index, count];
  });
  return best;
}

function tile(kernel: FusedKernel, others: readonly Dimension[], across: Dimension, { height, width } = tileSize): Form {
  const inner = others.at(-1)!;
  const outer = others.slice(0, -1);
  const tiles = Math.ceil(inner.size / width);
  const rowTiles = Math.ceil(across.size / height);
  const params = { n: inner.size, tile: width, tiles, rows: across.size, rowTile: height, rowTiles };
  return {
    variant: { form: 'tile', kept: others.length + 1, reduced: 0, inner: innerClasses(inner) },
    params: { ...params, ...keptParams([...outer, across]), ...innerParams(inner) },
    work: product(outer) * tiles * rowTiles,
    grain: grainOf(kernel, Math.min(width, inner.size) * Math.min(height, across.size)),
  };
}

function flat(kernel: FusedKernel, kept: readonly Dimension[]): Form {
  const inner = kept[0] ?? { size: 1, reduced: false, strides: noStrides(kernel) };
  return {
    variant: { form: 'flat', kept: 1, reduced: 0, inner: innerClasses(inner) },
    params: innerParams(inner),
    work: inner.size,
    grain: grainOf(kernel, 1),
  };
}

function map(kernel: FusedKernel, kept: readonly Dimension[]): Form {
  const inner = kept.at(-1)!;
  const outer = kept.slice(0, -1);
  return {
    variant: { form: 'map', kept: kept.length, reduced: 0, inner: innerClasses(inner) },
    params: { n: inner.size, ...keptParams(outer), ...innerParams(inner) },
    work: product(outer),
    grain: grainOf(kernel, inner.size),
  };
}

function row(kernel: FusedKernel, kept: readonly Dimension[], reduced: readonly Dimension[], isColumn = false): Form {
  const inner = reduced.at(-1)!;
  const variant: Variant = { form: 'row', kept: kept.length, reduced: reduced.length, inner: innerClasses(inner) };
  return {
    variant: isColumn ? { ...variant, columns: true } : variant,
    params: { n: inner.size, ...keptParams(kept), ...reducedParams(reduced.slice(0, -1)), ...innerParams(inner) },
    work: product(kept),
    grain: grainOf(kernel, product(reduced)),
  };
}

function column(kernel: FusedKernel, kept: readonly Dimension[], reduced: readonly Dimension[]): Binding {
  const inner = kept.at(-1)!;
  const outer = kept.slice(0, -1);
  const tile = Math.min(inner.size, columnTile);
  const tiles = Math.ceil(inner.size / tile);
  const buffers = scratchBuffers(kernel);
  const rows = product(kept);
  const launch: Launch = {
    kernel,
    variant: { form: 'column', kept: kept.length, reduced: reduced.length, inner: innerClasses(inner) },
    params: { n: inner.size, tile, tiles, ...keptParams(outer), ...reducedParams(reduced), ...innerParams(inner) },
    ...ownOperands(kernel),
    rows: buffers.map(({ name }, scratch) => ({ name, scratch })),
    work: product(outer) * tiles,
    grain: grainOf(kernel, product(reduced) * tile),
  };
  return { launches: [launch], scratch: buffers.map(({ storage }) => rows * bytesOf[storage]) };
}

/** One pass of reductions, and nothing but row values after it. */
function splittable(kernel: FusedKernel): boolean {
  const { passes } = schedule(kernel);
  return Math.max(...passes) === 1 && kernel.outputs.every((output) => output.level === 'row');
}

/** A part is a range of the outermost dimension. Of columns, those of one part lie side by side; of rows, the parts of one. */
function split(
  kernel: FusedKernel,
  kept: readonly Dimension[],
  reduced: readonly Dimension[],
  { least, most }: Parts,
  isColumn = false,
): Binding {
  const { size } = reduced[0]!;
  const perStep = product(reduced.slice(1));
  // What runs in lanes is cut into whole vectors.
  const unit = reduced.length === 1 ? 64 : 1;
  const chunk = Math.max(Math.ceil(least / perStep), Math.ceil(size / most / unit) * unit);
  const parts = Math.ceil(size / chunk);
  const { partial, rest, reductions, rowInputs } = halves(kernel);
  const inputCount = kernel.inputs.length;
  const withOutputs = (dimension: Dimension): Dimension => ({
    ...dimension,
    strides: [...dimension.strides.slice(0, inputCount), ...reductions.map(() => 0)],
  });
  const rows = product(kept);
  const inner = withOutputs(reduced.at(-1)!);
  const first: Form = {
    variant: {
      ...{ form: 'row', kept: kept.length, reduced: reduced.length, inner: innerClasses(inner), split: true },
      ...(isColumn ? { columns: true } : {}),
    },
    params: {
      n: inner.size,
      parts: isColumn ? rows : parts,
      chunk,
      ...keptParams(kept.map(withOutputs)),
      ...reducedParams(reduced.slice(0, -1).map(withOutputs)),
      ...innerParams(inner),
    },
    work: rows * parts,
    grain: Math.max(1, Math.floor(grainElements / (chunk * perStep))),
  };
  const keptRest = kept.map((dimension, index): Dimension => {
    const rowsAfter = product(kept.slice(index + 1));
    const outputs = dimension.strides.slice(inputCount);
    return {
      ...dimension,
      strides: [
        ...reductions.map(() => (isColumn ? rowsAfter : rowsAfter * parts)),
        ...rowInputs.map((i) => dimension.strides[i]!),
        ...outputs,
      ],
    };
  });
  const partDimension: Dimension = {
    size: parts,
    reduced: true,
    strides: [...reductions.map(() => (isColumn ? rows : 1)), ...rowInputs.map(() => 0), ...kernel.outputs.map(() => 0)],
  };
  const second = row(rest, keptRest, [partDimension], isColumn);
  const scratch = reductions.map((node) => rows * parts * bytesOf[scratchStorage(kernel.nodes[node]!.dtype)]);
  return {
    launches: [
      {
        kernel: partial,
        ...first,
        inputs: kernel.inputs.map((_, input) => ({ kind: 'input', input })),
        outputs: reductions.map((_, scratch) => ({ kind: 'scratch', scratch })),
        rows: [],
      },
      {
        kernel: rest,
        ...second,
        inputs: [
          ...reductions.map((_, scratch): BufferSource => ({ kind: 'scratch', scratch })),
          ...rowInputs.map((input): BufferSource => ({ kind: 'input', input })),
        ],
        outputs: kernel.outputs.map((_, output) => ({ kind: 'output', output })),
        rows: [],
      },
    ],
    scratch,
  };
}

/** The kernel that folds parts, and the one that folds the parts' results and does the rest. */
function halves(kernel: FusedKernel): { partial: FusedKernel; rest: FusedKernel; reductions: number[]; rowInputs: number[] } {
  const reductions = kernel.nodes.flatMap((node, index) => (node.op === 'reduce' ? [index] : []));
  const exact = (node: number): Storage => scratchStorage(kernel.nodes[node]!.dtype);
  const partial = fusedKernel({
    ...kernel,
    outputs: reductions.map((node) => ({ node, dtype: exact(node), level: 'row' })),
  });
  const rowInputs = kernel.inputs.flatMap((input, index) => (input.level === 'row' ? [index] : []));
  const nodes: FusedNode[] = [];
  const place = new Map<number, number>();
  const keep = (node: number): number => {
    const known = place.get(node);
    if (known !== undefined) return known;
    const data = kernel.nodes[node]!;
    if (data.op === 'reduce') {
      nodes.push({ op: 'input', input: reductions.indexOf(node), dtype: exact(node) });
      nodes.push({ ...data, arg: nodes.length - 1 });
    } else if (data.op === 'input') {
      nodes.push({ ...data, input: reductions.length + rowInputs.indexOf(data.input) });
    } else if (data.op === 'map') {
      const args = data.args.map(keep);
      nodes.push({ ...data, args });
    } else {
      nodes.push(data);
    }
    place.set(node, nodes.length - 1);
    return nodes.length - 1;
  };
  const outputs = kernel.outputs.map((output) => ({ ...output, node: keep(output.node) }));
  const rest = fusedKernel({
    inputs: [
      ...reductions.map((node) => ({ dtype: exact(node), level: 'element' as const })),
      ...rowInputs.map((input) => kernel.inputs[input]!),
    ],
    scalars: kernel.scalars,
    nodes,
    outputs,
  });
  return { partial, rest, reductions, rowInputs };
}

// ---- Parameters

function innerClasses(inner: Dimension): InnerStride[] {
  return inner.strides.map(innerClass);
}

function innerClass(stride: number): InnerStride {
  return stride === 0 ? '0' : stride === 1 ? '1' : stride === -1 ? '-1' : 's';
}

function innerParams(inner: Dimension): Record<string, number> {
  const params: Record<string, number> = {};
  inner.strides.forEach((stride, operand) => {
    if (innerClass(stride) === 's') params[innerStride(operand)] = stride;
  });
  return params;
}

function keptParams(kept: readonly Dimension[]): Record<string, number> {
  const params: Record<string, number> = {};
  kept.forEach((dimension, index) => {
    if (index > 0) params[keptSize(index)] = dimension.size;
    dimension.strides.forEach((stride, operand) => {
      params[keptStride(operand, index)] = stride;
    });
  });
  return params;
}

function reducedParams(reduced: readonly Dimension[]): Record<string, number> {
  const params: Record<string, number> = {};
  reduced.forEach((dimension, index) => {
    params[reducedSize(index)] = dimension.size;
    dimension.strides.forEach((stride, operand) => {
      params[reducedStride(operand, index)] = stride;
    });
  });
  return params;
}

const product = (dimensions: readonly Dimension[]): number => dimensions.reduce((total, { size }) => total * size, 1);
const noStrides = (kernel: FusedKernel): number[] => new Array<number>(kernel.inputs.length + kernel.outputs.length).fill(0);

/** How many items make enough work for a thread; a heavy function counts as sixteen plain ones. */
function grainOf(kernel: FusedKernel, elementsPerItem: number): number {
  let cost = 0;
  for (const node of kernel.nodes) if (node.op === 'map') cost += mapOperations[node.map]!.heavy ? 16 : 1;
  const elements = grainElements / Math.max(1, Math.min(16, cost / 4));
  return Math.max(1, Math.ceil(elements / Math.max(1, elementsPerItem)));
}
