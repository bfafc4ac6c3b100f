/**
 * Matrix products for groups of threads: out[b] = a[b] b[b]. A group computes one tile of one matrix of the batch; it goes along k in short
 * steps, of which it holds both operands in shared memory, and fetches the next one while it multiplies. Each thread has a small tile of
 * sums in registers. What lies where is said by parameters, in which direction operands are contiguous by the form.
 *
 * An element is one chain of additions along k in order, or `parts` of them that somebody adds up later: neither the size of the
 * tiles nor where an element stands in one makes a difference.
 */
import {
  add,
  and,
  Body,
  begin,
  constant,
  div,
  end,
  I32,
  i32,
  kernel,
  lane,
  load,
  lt,
  min,
  mul,
  param,
  rem,
  scalarType,
  shr,
  sub,
  vectorType,
} from '../build.js';
import { barrier, group, groups, pack, thread } from '../group.js';
import { type Expr, type Kernel, registerOf, type Storage, type Type } from '../ir.js';
import { integers, reads } from './packing.js';
import { multiplyAdd, packedStorage, range } from './tile.js';

/**
 * Along which direction an operand's elements lie side by side: along k, across it, or neither. By table, line l and step k lie at the sum
 * of what two tables say of them, as windows of an image do; neighbours are where they are to be expected.
 */
export type Lies = 'along' | 'across' | 'apart' | 'along by table' | 'across by table';

const byTable = (lies: Lies): boolean => lies === 'along by table' || lies === 'across by table';
/** Whether neighbours among the threads fetch neighbouring lines. */
export const runsAcross = (lies: Lies): boolean => lies === 'across' || lies === 'across by table';

/** The table of an operand's lines, and that of its steps. */
export const tablesOf = (name: 'a' | 'b'): readonly [string, string] => [`${name}Lines`, `${name}Steps`];

/** Where an element lies from the start of its matrix. */
export function placeIn(name: 'a' | 'b', lies: Lies, line: Expr, step: Expr): Expr {
  if (!byTable(lies)) return add(mul(line, param(`${name}Across`)), mul(step, param(`${name}Step`)));
  const [lines, steps] = tablesOf(name);
  return add(load(I32, lines, line), load(I32, steps, step));
}

/** Whether a thread's elements are fetched one by one. */
export const isScattered = (lies: Lies): boolean => lies === 'apart' || byTable(lies);

export interface GroupGemmForm {
  /** Of the operands. */
  readonly storage: Storage;
  /** Of what is written: the sums of parts are kept in full. */
  readonly outStorage: Storage;
  readonly a: Lies;
  readonly b: Lies;
  readonly size: keyof typeof tileSizes;
}

/** Rows and columns of a tile, and steps along k that are in shared memory at once: of each operand four elements a thread. */
export const tileSizes = {
  small: { rows: 64, columns: 64, depth: 16 },
  large: { rows: 128, columns: 128, depth: 8 },
} as const;

const groupThreads = 256;
/** Threads stand in a square; each has this many rows and columns that follow each other, of every 64. */
const side = 16;
const quad = 4;
const quadStep = side * quad;
/** Between the lines of an operand in shared memory, so that they do not share banks. */
const padding = 4;

export interface Geometry {
  readonly rows: number;
  readonly columns: number;
}

/** Parameters of all products of this kind. */
export const groupGemmParams = [
  'm',
  'n',
  'k',
  'batch',
  'parts',
  'partLength',
  'rowTiles',
  'columnTiles',
  'aAcross',
  'aStep',
  'bAcross',
  'bStep',
];

/**
 * An item is a tile: they are counted along the columns, then the rows, the parts and the batch. Row r of a is found at r * aAcross,
 * and k * aStep on; so is column c of b. The result of a part lies after that of the parts before.
 */
export function groupGemmKernel(form: GroupGemmForm): Kernel {
  const { rows, columns, depth } = tileSizes[form.size];
  const body = new Body();
  const held = packedStorage(form.storage);
  overTiles(body, { rows, columns }, (each, tile) => {
    const a: Operand = { name: 'a', lies: form.a, lines: rows, first: tile.row, end: param('m'), start: tile.aStart };
    const b: Operand = { name: 'b', lies: form.b, lines: columns, first: tile.column, end: param('n'), start: tile.bStart };
    new TileProduct(each, form.storage, depth, a, b).write(tile);
  });
  const lengthOf = (lines: number): number => 2 * depth * (lines + padding);
  return {
    ...kernel(
      `group_gemm_${form.storage}_${form.outStorage}_${form.a}_${form.b}_${form.size}`,
      gemmBuffers(form, form.storage),
      integers(...groupGemmParams),
      body.statements,
    ),
    group: {
      threads: groupThreads,
      items: 1,
      shared: [
        { name: 'aTile', storage: held, length: lengthOf(rows) },
        { name: 'bTile', storage: held, length: lengthOf(columns) },
      ],
    },
  };
}

/** `storage` is what operands are read as. */
export function gemmBuffers(
  { a, b, outStorage }: Pick<GroupGemmForm, 'a' | 'b' | 'outStorage'>,
  storage: Storage,
): Kernel['buffers'] {
  const tables = [...(byTable(a) ? tablesOf('a') : []), ...(byTable(b) ? tablesOf('b') : [])];
  return [
    reads('a', storage),
    reads('b', storage),
    reads('aOffsets', 'int32'),
    reads('bOffsets', 'int32'),
    ...tables.map((table) => reads(table, 'int32')),
    { name: 'out', storage: outStorage, access: 'write' },
  ];
}

// ---- Tiles of the result

export interface Tile {
  /** Its first row and column. */
  readonly row: Expr;
  readonly column: Expr;
  /** Where the matrices begin, and the part along k. */
  readonly aStart: Expr;
  readonly bStart: Expr;
  readonly outStart: Expr;
  readonly from: Expr;
  readonly to: Expr;
}

/** Goes through the tiles of a group. */
export function overTiles(body: Body, { rows, columns }: Geometry, write: (body: Body, tile: Tile) => void): void {
  const [m, n, k] = [param('m'), param('n'), param('k')];
  const turns = div(add(sub(sub(end, begin), group), sub(groups, 1)), groups);
  body.for('turn', 0, turns, (turn, each) => {
    const item = each.let('item', add(begin, add(group, mul(turn, groups))));
    const line = each.let('line', div(item, param('columnTiles')));
    const matrix = each.let('matrix', div(line, param('rowTiles')));
    const batch = each.let('batch', div(matrix, param('parts')));
    const part = each.let('part', rem(matrix, param('parts')));
    const from = each.let('from', mul(part, param('partLength')));
    write(each, {
      row: each.let('row', mul(rem(line, param('rowTiles')), rows)),
      column: each.let('column', mul(rem(item, param('columnTiles')), columns)),
      aStart: each.let('aStart', load(I32, 'aOffsets', batch)),
      bStart: each.let('bStart', load(I32, 'bOffsets', batch)),
      outStart: each.let('outStart', mul(mul(add(mul(part, param('batch')), batch), m), n)),
      from,
      to: each.let('to', min(add(from, param('partLength')), k)),
    });
  });
}

/** Stores sums of one row that stand side by side. */
export function storeRow(body: Body, { outStart }: Tile, row: Expr, column: Expr, sums: readonly Expr[]): void {
  const n = param('n');
  body.if(lt(row, param('m')), (inside) => {
    const place = add(add(outStart, mul(row, n)), column);
    inside.if(
      lt(add(column, sums.length - 1), n),
      (whole) => whole.store('out', place, pack(sums)),
      (edge) => {
        for (const [at, sum] of sums.entries()) edge.if(lt(add(column, at), n), (one) => one.store('out', add(place, at), sum));
      },
    );
  });
}

// ---- One tile

interface Operand {
  readonly name: 'a' | 'b';
  readonly lies: Lies;
  /** Rows or columns of the tile, the first of them, and where the matrix ends. */
  readonly lines: number;
  readonly first: Expr;
  readonly end: Expr;
  readonly start: Expr;
}

/** Which elements of a step a thread fetches: four, from that line and place along k on. */
interface Fetch {
  readonly operand: Operand;
  readonly line: Expr;
  readonly step: Expr;
  readonly values: readonly Expr[];
}

class TileProduct {
  readonly #type: Type;
  readonly #sums: readonly (readonly Expr[])[];

  constructor(
    readonly body: Body,
    readonly storage: Storage,
    readonly depth: number,
    readonly a: Operand,
    readonly b: Operand,
  ) {
    this.#type = scalarType(registerOf(storage));
    this.#sums = range(a.lines / side).map((row) =>
      range(b.lines / side).map((column) => body.variable(`sum_${row}_${column}`, constant(this.#type, 0))),
    );
  }

  write(tile: Tile): void {
    const { body, depth } = this;
    const fetches = [this.#fetch(this.a), this.#fetch(this.b)];
    const steps = body.let('steps', div(add(sub(tile.to, tile.from), depth - 1), depth));
    for (const fetch of fetches) this.#read(body, fetch, 'first', tile.from, tile.to);
    for (const fetch of fetches) this.#put(body, fetch, i32(0));
    body.push(barrier);
    body.for('step', 0, steps, (step, each) => {
      const next = each.let('next', add(step, 1));
      const start = each.let('start', add(tile.from, mul(next, depth)));
      each.if(lt(next, steps), (more) => {
        for (const fetch of fetches) this.#read(more, fetch, 'next', start, tile.to);
      });
      this.#multiply(each, and(step, 1));
      each.if(lt(next, steps), (more) => {
        for (const fetch of fetches) this.#put(more, fetch, and(next, 1));
      });
      each.push(barrier);
    });
    this.#store(tile);
  }

  /** Neighbours among the threads fetch neighbours in memory. */
  #fetch(operand: Operand): Fetch {
    const { body, depth } = this;
    const { name, lies, lines } = operand;
    const quads = (runsAcross(lies) ? lines : depth) / quad;
    const outer = div(thread, quads);
    const inner = mul(rem(thread, quads), quad);
    const [line, step] = runsAcross(lies) ? [inner, outer] : [outer, inner];
    return {
      operand,
      line: body.let(`${name}Line`, line),
      step: body.let(`${name}Step`, step),
      values: range(quad).map((at) => body.variable(`${name}_${at}`, constant(this.#type, 0))),
    };
  }

  /** The four elements of the step that begins at `start`; 0 beyond the matrix, which adds nothing. */
  #read(body: Body, { operand, line, step, values }: Fetch, when: string, start: Expr, to: Expr): void {
    const { name, lies, first } = operand;
    const [row, k] = [add(first, line), body.let(`${name}K_${when}`, add(start, step))];
    const placeOf = (at: number): readonly [Expr, Expr] => (runsAcross(lies) ? [add(row, at), k] : [row, add(k, at)]);
    const isInside = (at: number): Expr => {
      const [ownRow, ownK] = placeOf(at);
      return and(lt(ownRow, operand.end), lt(ownK, to));
    };
    const indexOf = (at: number): Expr => {
      const [ownRow, ownK] = placeOf(at);
      return add(operand.start, placeIn(name, lies, ownRow, ownK));
    };
    const apart = (target: Body): void => {
      for (const [at, value] of values.entries()) {
        target.set(value, constant(this.#type, 0));
        target.if(isInside(at), (inside) => inside.set(value, load(this.#type, name, indexOf(at))));
      }
    };
    if (isScattered(lies)) {
      apart(body);
      return;
    }
    body.if(
      isInside(quad - 1),
      (whole) => {
        const four = whole.let(`${name}Four`, load(vectorType(this.#type.scalar, quad), name, indexOf(0)));
        for (const [at, value] of values.entries()) whole.set(value, lane(four, at));
      },
      apart,
    );
  }

  #put(body: Body, { operand, line, step, values }: Fetch, buffer: Expr): void {
    const pitch = operand.lines + padding;
    const [byLine, byStep] = runsAcross(operand.lies) ? [1, 0] : [0, 1];
    for (const [at, value] of values.entries()) {
      const place = add(mul(add(mul(buffer, this.depth), add(step, at * byStep)), pitch), add(line, at * byLine));
      body.store(`${operand.name}Tile`, place, value);
    }
  }

  #multiply(body: Body, buffer: Expr): void {
    const { a, b, depth } = this;
    body.for('deep', 0, depth, (deep, each) => {
      const line = add(mul(buffer, depth), deep);
      const rows = this.#quads(each, a, line, mul(shr(thread, 4), quad));
      const columns = this.#quads(each, b, line, mul(and(thread, side - 1), quad));
      this.#sums.forEach((sums, row) => {
        sums.forEach((sum, column) => {
          each.set(sum, multiplyAdd(rows[row]!, columns[column]!, sum));
        });
      });
    });
  }

  /** The elements of a line that meet in a thread's sums. */
  #quads(body: Body, { name, lines }: Operand, line: Expr, from: Expr): readonly Expr[] {
    const lanes = this.#type.scalar === 'f64' || this.#type.scalar === 'i64' ? 2 : quad;
    const place = mul(line, lines + padding);
    return range(lines / quadStep).flatMap((number) =>
      range(quad / lanes).flatMap((half) => {
        const at = add(add(place, from), number * quadStep + half * lanes);
        const vector = body.let(`${name}Held_${number}_${half}`, load(vectorType(this.#type.scalar, lanes), `${name}Tile`, at));
        return range(lanes).map((one) => lane(vector, one));
      }),
    );
  }

  #store(tile: Tile): void {
    const row = this.body.let('ownRow', add(tile.row, mul(shr(thread, 4), quad)));
    const column = this.body.let('ownColumn', add(tile.column, mul(and(thread, side - 1), quad)));
    this.#sums.forEach((sums, at) => {
      const ownRow = add(row, Math.floor(at / quad) * quadStep + (at % quad));
      for (let first = 0; first < sums.length; first += quad) {
        const four = sums.slice(first, first + quad);
        storeRow(this.body, tile, ownRow, add(column, (first / quad) * quadStep), four);
      }
    });
  }
}
