/**
 * Fused kernels to kernel IR, one function for each form of the collapsed iteration space.
 *
 *   flat    one kept dimension: items are elements
 *   map     several kept dimensions: items are rows of the innermost one
 *   tile    as map, but an operand is contiguous along the last dimension but one: items are tiles of that one, walked in blocks that
 *           use every cache line they touch, or turned by groups of threads
 *   row     the innermost dimension is reduced: items are rows, each folded by one loop nest (or by parts, see `split`)
 *   column  the innermost dimension is kept: items are tiles of it; row values live in scratch arrays, and every loop runs along
 *           the tile, so that memory is read in order
 *
 * The kernel is the same for all sizes: sizes and strides are parameters, named by the functions at the end of this file, which
 * the binding (kernels/lower/bind.ts) calls too.
 */
import {
  add,
  and,
  Body,
  begin,
  constant,
  convert,
  div,
  end,
  gt,
  i32,
  isComplexType,
  load,
  min,
  mul,
  param,
  rem,
  scalarType,
  sub,
} from '../build.js';
import { splitComplex } from '../complex/split.js';
import { type FusedKernel, type Level, schedule } from '../fused.js';
import { type AccumulateKind, type Expr, isComplexStorage, type Kernel, type RealStorage, registerOf } from '../ir.js';
import { lowerMap, mapOperations } from '../map-operations.js';
import { paramRegister } from '../specialise.js';
import { carriedNodes, declareBuffers, declareParams, scratchNodes, type Transposition, type Variant } from './declarations.js';
import { overGroupTiles, transposeByGroup, transposingGroup } from './group-transposed.js';
import {
  carryName,
  innerStride,
  inputName,
  keptSize,
  keptStride,
  outputName,
  reducedSize,
  reducedStride,
  scalarName,
  scratchName,
  type TiledDimension,
  tileParams,
} from './names.js';
import { planStashes } from './stashes.js';
import { blockOf, type Range, stripElements, transposeTile } from './transposed.js';
import { combine, identityOf, isFloat, narrow, saturate } from './values.js';

export function lowerFused(kernel: FusedKernel, variant: Variant): Kernel {
  return splitComplex(new Lowering(kernel, variant).run());
}

/** Rows that the column form folds in one go, if their work is light: fewer turns of the loops, and as many streams from memory. */
const rowsTogether = 8;

/** After so many rows the column form sets its sums of floats aside, so that sums of long columns lose little more than short ones. */
const rowsAtATime = 256;

/** The columns of a block of the tile form: half a cache line of float32, so that not even rows a power of 2 apart evict each other. */
const blockWidth = 8;

/** A place in the iteration space: the operand's offset there, by operand number. */
type OffsetOf = (operand: number) => Expr;

/** Where values computed so far can be found; scopes nest like loops. */
class Scope {
  private readonly values = new Map<number, Expr>();
  constructor(
    readonly body: Body,
    readonly offsetOf: OffsetOf,
    readonly suffix: string,
    private readonly outer: Scope | null = null,
  ) {}
  get(node: number): Expr | undefined {
    return this.values.get(node) ?? this.outer?.get(node);
  }
  put(node: number, value: Expr): Expr {
    this.values.set(node, value);
    return value;
  }
}

class Lowering {
  private readonly levels: readonly Level[];
  private readonly passes: readonly number[];
  private readonly lastPass: number;
  private readonly body = new Body();
  private readonly uniform: Scope;
  private shared = 0;
  /** Heavy element values written to an output early, to be read back by a later pass: node -> output number. */
  private readonly stashes: ReadonlyMap<number, number>;

  constructor(
    private readonly kernel: FusedKernel,
    private readonly variant: Variant,
  ) {
    const { levels, passes } = schedule(kernel);
    this.levels = levels;
    this.passes = passes;
    this.lastPass = Math.max(0, ...passes);
    this.uniform = new Scope(this.body, () => i32(0), '');
    this.stashes = planStashes(kernel);
  }

  run(): Kernel {
    this.emitUniform();
    const { form } = this.variant;
    if (form === 'flat') this.flat();
    else if (form === 'map') this.map();
    else if (form === 'tile') this.tile();
    else if (form === 'row') this.row();
    else this.column();
    const name = `fused_${form}`;
    const buffers = declareBuffers(this.kernel, this.variant, new Set(this.stashes.values()));
    const lowered = { name, buffers, params: declareParams(this.kernel, this.variant), body: this.body.statements };
    if (this.variant.grouped) return { ...lowered, group: transposingGroup(this.copied()) };
    return this.variant.columns ? { ...lowered, adjoining: 'items' } : lowered;
  }

  // ---- Forms

  private flat(): void {
    this.body.for(
      'i',
      begin,
      end,
      (i, loop) => this.storeElements(new Scope(loop, (o) => this.step(o, i), '', this.uniform), 0),
      {
        vector: true,
      },
    );
  }

  private map(): void {
    this.body.for('item', begin, end, (item, outer) => {
      const base = this.bases(outer, this.keptIndices(outer, item, this.variant.kept - 1), this.operands());
      outer.for('j', 0, param('n'), (j, loop) => this.storeElements(this.inner(loop, base, j, '', this.uniform), 0), {
        vector: true,
      });
    });
  }

  private tile(): void {
    if (this.variant.grouped) {
      overGroupTiles(this.body, (item, each) => this.transposeByGroup(item, each));
      return;
    }
    this.body.for('item', begin, end, (item, outer) => {
      const { base, rows, columns } = this.tileAt(outer, item);
      const [start, stop] = rows;
      const [first, last] = columns;
      if (this.variant.transposes !== undefined) {
        this.transpose(this.variant.transposes, outer, item, base, rows, columns);
        return;
      }
      const whole = outer.let('whole', sub(last, and(sub(last, first), blockWidth - 1)));
      outer.for('j', first, whole, (j, loop) => this.block(loop, base, j, blockWidth, start, stop), { step: blockWidth });
      outer.for('k', whole, last, (k, loop) => this.block(loop, base, k, 1, start, stop));
    });
  }

  private tileAt(body: Body, item: Expr): { readonly base: OffsetOf; readonly rows: Range; readonly columns: Range } {
    const [rowless, start, stop] = this.tileOf(body, item, 'row');
    const [place, first, last] = this.tileOf(body, rowless, 'column');
    const base = this.bases(body, this.keptIndices(body, place, this.variant.kept - 2), this.operands());
    return { base, rows: [start, stop], columns: [first, last] };
  }

  /** What a kernel copies that groups of threads run: real elements. */
  private copied(): RealStorage {
    const { dtype } = this.kernel.inputs[0]!;
    if (isComplexStorage(dtype)) throw new TypeError(`groups do not transpose ${dtype}`);
    return dtype;
  }

  private transposeByGroup(item: Expr, body: Body): void {
    const { base, rows, columns } = this.tileAt(body, item);
    const placeIn =
      (operand: number) =>
      (row: Expr, column: Expr): Expr =>
        add(add(base(operand), mul(row, param(keptStride(operand, this.variant.kept - 2)))), this.step(operand, column));
    transposeByGroup(body, { storage: this.copied(), rows, columns, from: placeIn(0), to: placeIn(1) });
  }

  /** A tile of a kernel that only copies: in blocks, and what is left over at its edges element by element. */
  private transpose(
    form: Transposition,
    body: Body,
    item: Expr,
    base: OffsetOf,
    [start, stop]: Range,
    [first, last]: Range,
  ): void {
    const block = blockOf(form);
    const rows = body.let('wholeRows', sub(stop, and(sub(stop, start), block.rows - 1)));
    const columns = body.let('wholeColumns', sub(last, and(sub(last, first), block.columns - 1)));
    const outputRow = param(keptStride(1, this.variant.kept - 2));
    transposeTile(body, {
      form,
      scalar: registerOf(this.kernel.inputs[0]!.dtype),
      columnPlace: (column) => add(base(0), this.step(0, column)),
      rowPlace: (row) => add(base(1), mul(row, outputRow)),
      strip: mul(item, stripElements),
      rows: [start, rows],
      columns: [first, columns],
    });
    body.for('below', first, columns, (column, loop) => this.block(loop, base, column, 1, rows, stop));
    body.for('beside', columns, last, (column, loop) => this.block(loop, base, column, 1, start, stop));
  }

  /** Rows `start` to `stop` of `width` columns: the columns' cache lines stay while the rows go along them. */
  private block(body: Body, base: OffsetOf, from: Expr, width: number, start: Expr, stop: Expr): void {
    const rowDimension = this.variant.kept - 2;
    const columns = Array.from({ length: width }, (_, column) => add(from, column));
    const steps = columns.map((column, at) =>
      this.operands().map((operand) => {
        const step = this.step(operand, column);
        return this.variant.inner[operand] === 's' ? body.let(`s${operand}_${at}`, step) : step;
      }),
    );
    body.for('r', start, stop, (r, loop) => {
      const places = this.operands().map((operand) =>
        loop.let(`b${operand}_r`, add(base(operand), mul(r, param(keptStride(operand, rowDimension))))),
      );
      steps.forEach((step, at) => {
        const offsetOf: OffsetOf = (operand) => add(places[operand]!, step[operand]!);
        this.storeElements(new Scope(loop, offsetOf, `c${at}`, this.uniform), 0);
      });
    });
  }

  /** A place whose fastest part counts tiles of a dimension: what is left of it, and its range along that dimension. */
  private tileOf(body: Body, place: Expr, dimension: TiledDimension): [Expr, Expr, Expr] {
    const { size, tile, tiles } = tileParams(dimension);
    const rest = body.let(`${dimension}Rest`, div(place, param(tiles)));
    const start = body.let(`${dimension}Start`, mul(rem(place, param(tiles)), param(tile)));
    return [rest, start, body.let(`${dimension}Stop`, min(add(start, param(tile)), param(size)))];
  }

  private row(): void {
    this.body.for('item', begin, end, (item, outer) => {
      const rowNumber = this.variant.split ? outer.let('row', this.splitItem(item).row) : item;
      const indices = this.keptIndices(outer, rowNumber, this.variant.kept);
      const base = this.bases(outer, indices, this.operands());
      const row = new Scope(outer, base, 'r', this.uniform);
      const rowOutput = this.variant.split ? () => item : base;
      for (let pass = 0; pass <= this.lastPass; pass++) {
        this.rowPass(row, base, pass, item);
        for (const node of this.reductionsOf(pass)) this.settle(row, node);
        this.storeRows(new Scope(outer, rowOutput, 'r', row), pass, row);
      }
    });
  }

  private rowPass(row: Scope, base: OffsetOf, pass: number, item: Expr): void {
    const reductions = this.reductionsOf(pass);
    const outputs = this.elementOutputs(pass);
    if (reductions.length === 0 && outputs.length === 0) return;
    this.prepareRow(row, pass, [
      ...reductions.map((node) => this.argOf(node)),
      ...outputs.map((o) => this.kernel.outputs[o]!.node),
    ]);
    for (const node of reductions) row.put(node, row.body.variable(`acc${node}`, this.identity(node)));
    const part = this.variant.split ? this.partRange(row.body, item, pass) : undefined;
    const isDeep = this.variant.reduced > 1;
    const [from, to] = part !== undefined && !isDeep ? part : [i32(0), param('n')];
    const fold = (body: Body, place: OffsetOf) => {
      body.for(
        `j${pass}`,
        from,
        to,
        (j, loop) => {
          const scope = this.inner(loop, place, j, `p${pass}`, row);
          const values = reductions.map((node) => this.value(this.argOf(node), scope));
          this.storeElements(scope, pass);
          reductions.forEach((node, k) => {
            loop.accumulate(row.get(node)!, this.reduceOf(node), values[k]!);
          });
        },
        { vector: true },
      );
    };
    this.reducedLoops(row.body, base, this.variant.reduced - 1, 0, pass, fold, isDeep ? part : undefined);
  }

  /** What later passes read of a finished reduction. */
  private settle(row: Scope, node: number): void {
    const folded = row.get(node);
    if (folded === undefined) return;
    const value = narrow(this.kernel.nodes[node]!.dtype, this.reduceOf(node), folded);
    if (value !== folded) row.put(node, row.body.let(`v${node}`, value));
  }

  /** Of rows the parts are counted fastest, of columns these themselves: `parts` is how many of the faster there are. */
  private splitItem(item: Expr): { readonly row: Expr; readonly part: Expr } {
    const [slow, fast] = [div(item, param('parts')), rem(item, param('parts'))];
    return this.variant.columns ? { row: fast, part: slow } : { row: slow, part: fast };
  }

  /** Of the outermost reduced dimension. */
  private partRange(body: Body, item: Expr, pass: number): Range {
    const from = body.let(`from${pass}`, mul(this.splitItem(item).part, param('chunk')));
    const size = param(this.variant.reduced > 1 ? reducedSize(0) : 'n');
    return [from, body.let(`to${pass}`, min(add(from, param('chunk')), size))];
  }

  private column(): void {
    this.body.for('item', begin, end, (item, outer) => {
      const [outerRow, start, stop] = this.tileOf(outer, item, 'column');
      const base = this.bases(outer, this.keptIndices(outer, outerRow, this.variant.kept - 1), this.operands());
      const first = outer.let('first', mul(outerRow, param('n')));
      for (let pass = 0; pass <= this.lastPass; pass++) this.columnPass(outer, base, pass, start, stop, first);
    });
  }

  private columnPass(outer: Body, base: OffsetOf, pass: number, start: Expr, stop: Expr, first: Expr): void {
    const along = (name: string, body: Body, place: OffsetOf, suffix: string, write: (scope: Scope, j: Expr) => void) =>
      body.for(name, start, stop, (j, loop) => write(this.inner(loop, place, j, suffix, this.uniform), j), { vector: true });
    const reductions = this.reductionsOf(pass);
    const outputs = this.elementOutputs(pass);

    const rowWork = this.rowNodes(pass);
    const rowOutputs = this.rowOutputs(pass);
    if (rowWork.length > 0 || rowOutputs.length > 0) {
      along(`k${pass}`, outer, base, `k${pass}`, (scope, j) => {
        this.readScratch(scope, add(first, j), (node) => this.passes[node]! < pass || this.kernel.nodes[node]!.op === 'reduce');
        for (const node of rowWork) scope.body.store(scratchName(node), add(first, j), this.value(node, scope));
        for (const output of rowOutputs) this.storeOutput(output, scope, scope.offsetOf);
      });
    }
    if (reductions.length === 0 && outputs.length === 0) return;
    const carried = carriedNodes(this.kernel).filter((node) => reductions.includes(node));
    if (reductions.length > 0)
      along(`z${pass}`, outer, base, `z${pass}`, (scope, j) => {
        for (const node of reductions) scope.body.store(scratchName(node), add(first, j), this.identity(node));
        for (const node of carried) scope.body.store(carryName(node), add(first, j), this.identity(node));
      });
    const together = outputs.length === 0 && this.isLight() ? rowsTogether : 1;
    const fold = (body: Body, places: readonly OffsetOf[]) => {
      along(`j${pass}`, body, places[0]!, `p${pass}`, (scope, j) => this.foldColumns(scope, places, j, add(first, j), pass));
    };
    const rows = param(reducedSize(this.variant.reduced - 1));
    const step = { step: rowsAtATime };
    this.reducedLoops(outer, base, this.variant.reduced - 1, 0, pass, (body, place) => {
      if (carried.length === 0) this.rowLoops(body, place, pass, together, [i32(0), rows], fold);
      else
        body.for(
          `rows${pass}`,
          0,
          rows,
          (from, block) => {
            block.if(gt(from, 0), (later) =>
              along(`a${pass}`, later, base, `a${pass}`, (scope, j) => this.setAside(scope, carried, add(first, j))),
            );
            this.rowLoops(
              block,
              place,
              pass,
              together,
              [from, block.let(`rowsEnd${pass}`, min(add(from, rowsAtATime), rows))],
              fold,
            );
          },
          step,
        );
    });
    if (carried.length > 0)
      outer.if(gt(rows, rowsAtATime), (long) =>
        along(`t${pass}`, long, base, `t${pass}`, (scope, j) => this.takeBack(scope, carried, add(first, j))),
      );
  }

  /** Adds what was summed so far to what was set aside before, and begins again. */
  private setAside({ body }: Scope, carried: readonly number[], at: Expr): void {
    for (const node of carried) {
      const type = this.register(node);
      body.store(carryName(node), at, add(load(type, carryName(node), at), load(type, scratchName(node), at)));
      body.store(scratchName(node), at, this.identity(node));
    }
  }

  private takeBack({ body }: Scope, carried: readonly number[], at: Expr): void {
    for (const node of carried) {
      const type = this.register(node);
      body.store(scratchName(node), at, add(load(type, carryName(node), at), load(type, scratchName(node), at)));
    }
  }

  /** Those rows of the innermost reduced dimension, `together` at a time, then those that are left. */
  private rowLoops(
    body: Body,
    base: OffsetOf,
    pass: number,
    together: number,
    [from, to]: Range,
    fold: (body: Body, places: readonly OffsetOf[]) => void,
  ): void {
    const dimension = this.variant.reduced - 1;
    const placesFrom = (loop: Body, row: Expr, count: number) =>
      Array.from({ length: count }, (_, at): OffsetOf => {
        const places = this.operands().map((operand) =>
          loop.let(
            `b${operand}_row${at}_${pass}`,
            add(base(operand), mul(add(row, at), param(reducedStride(operand, dimension)))),
          ),
        );
        return (operand) => places[operand]!;
      });
    const whole = together === 1 ? from : body.let(`whole${pass}`, add(from, and(sub(to, from), -together)));
    if (together > 1)
      body.for(`g${pass}`, from, whole, (row, loop) => fold(loop, placesFrom(loop, row, together)), { step: together });
    body.for(`r${pass}`, whole, to, (row, loop) => fold(loop, placesFrom(loop, row, 1)));
  }

  /** Folds one element of each row, in the rows' order, and stores element outputs. */
  private foldColumns(scope: Scope, places: readonly OffsetOf[], j: Expr, at: Expr, pass: number): void {
    const reductions = this.reductionsOf(pass);
    const scopes = places.map((place, row) =>
      row === 0 ? scope : this.inner(scope.body, place, j, `p${pass}_${row}`, this.uniform),
    );
    for (const own of scopes) this.readScratch(own, at, (node) => this.passes[node]! <= pass && !reductions.includes(node));
    const values = scopes.map((own) => reductions.map((node) => this.value(this.argOf(node), own)));
    this.storeElements(scope, pass);
    reductions.forEach((node, k) => {
      const before = load(this.register(node), scratchName(node), at);
      const folded = values.reduce((total: Expr, row) => combine(this.reduceOf(node), total, row[k]!), before);
      scope.body.store(scratchName(node), at, folded);
    });
  }

  /** Whether a few copies of the loops' bodies are still short. */
  private isLight(): boolean {
    const maps = this.kernel.nodes.filter((node) => node.op === 'map');
    return maps.length <= 4 && !maps.some((node) => mapOperations[node.map]!.heavy);
  }

  /** Makes scratch values readable; each is loaded where it is first used, so only what a loop needs is read. */
  private readScratch(scope: Scope, at: Expr, wanted: (node: number) => boolean): void {
    for (const node of scratchNodes(this.kernel)) {
      if (!wanted(node)) continue;
      const { dtype, ...data } = this.kernel.nodes[node]!;
      const value = load(this.register(node), scratchName(node), at);
      scope.put(node, data.op === 'reduce' ? narrow(dtype, data.reduce, value) : value);
    }
  }

  // ---- Places

  /** Indices along the first `count` kept dimensions of a flattened place. */
  private keptIndices(body: Body, place: Expr, count: number): Expr[] {
    const indices: Expr[] = new Array(count);
    let rest = place;
    for (let dimension = count - 1; dimension > 0; dimension--) {
      const size = param(keptSize(dimension));
      indices[dimension] = body.let(`i${dimension}`, rem(rest, size));
      rest = body.let(`q${dimension}`, div(rest, size));
    }
    if (count > 0) indices[0] = rest;
    return indices;
  }

  private bases(body: Body, indices: readonly Expr[], operands: readonly number[]): OffsetOf {
    const bases = operands.map((operand) => {
      const terms = indices.map((index, dimension) => mul(index, param(keptStride(operand, dimension))));
      const sum = terms.reduce<Expr>((total, term) => add(total, term), i32(0));
      return sum.op === 'const' || sum.op === 'local' ? sum : body.let(`b${operand}`, sum);
    });
    return (operand) => bases[operand]!;
  }

  /** Loops over reduced dimensions `depth` to `count` - 1, the first of them over that range, around `write`, which receives the offsets there. */
  private reducedLoops(
    body: Body,
    base: OffsetOf,
    count: number,
    depth: number,
    pass: number,
    write: (body: Body, place: OffsetOf) => void,
    [from, to]: Range = [i32(0), param(reducedSize(depth))],
  ): void {
    if (depth === count) {
      write(body, base);
      return;
    }
    body.for(`r${depth}_${pass}`, from, to, (index, loop) => {
      const places = this.operands().map((operand) =>
        loop.let(`b${operand}_${depth}_${pass}`, add(base(operand), mul(index, param(reducedStride(operand, depth))))),
      );
      this.reducedLoops(loop, (operand) => places[operand]!, count, depth + 1, pass, write);
    });
  }

  private inner(body: Body, base: OffsetOf, index: Expr, suffix: string, outer: Scope): Scope {
    return new Scope(body, (operand) => add(base(operand), this.step(operand, index)), suffix, outer);
  }

  private step(operand: number, index: Expr): Expr {
    switch (this.variant.inner[operand]) {
      case '0':
        return i32(0);
      case '1':
        return index;
      case '-1':
        return sub(0, index);
      default:
        return mul(index, param(innerStride(operand)));
    }
  }

  private operands(): number[] {
    return Array.from({ length: this.kernel.inputs.length + this.kernel.outputs.length }, (_, operand) => operand);
  }

  // ---- Values

  private emitUniform(): void {
    this.kernel.nodes.forEach((_, node) => {
      if (this.levels[node] === 'uniform') this.value(node, this.uniform);
    });
  }

  private value(node: number, scope: Scope): Expr {
    const known = scope.get(node);
    if (known !== undefined) return known;
    const stash = this.stashes.get(node);
    if (stash !== undefined && !scope.suffix.endsWith(`p${this.passes[node]}`)) {
      const operand = this.kernel.inputs.length + stash;
      return scope.put(
        node,
        scope.body.let(`v${node}${scope.suffix}`, load(this.register(node), outputName(stash), scope.offsetOf(operand))),
      );
    }
    const value = scope.body.let(`v${node}${scope.suffix}`, this.expression(node, scope));
    if (stash !== undefined) scope.body.store(outputName(stash), scope.offsetOf(this.kernel.inputs.length + stash), value);
    return scope.put(node, value);
  }

  private expression(index: number, scope: Scope): Expr {
    const node = this.kernel.nodes[index]!;
    const type = this.register(index);
    switch (node.op) {
      case 'input':
        return this.kernel.inputs[node.input]!.virtual
          ? convert(type, scope.offsetOf(node.input))
          : load(type, inputName(node.input), scope.offsetOf(node.input));
      case 'scalar':
        return convert(type, param(scalarName(node.scalar), scalarType(paramRegister(registerOf(node.dtype)))));
      case 'map': {
        const args = node.args.map((arg) => this.value(arg, scope));
        const share = (value: Expr) => scope.body.let(`t${this.shared++}`, value);
        const value = lowerMap(node.map, args, share, registerOf(node.dtype));
        if (node.map === 'cast' && (isFloat(args[0]!) || isComplexType(args[0]!.type))) return saturate(node.dtype, value);
        return narrow(
          node.dtype,
          node.map,
          value,
          node.args.some((arg) => this.kernel.nodes[arg]!.op === 'scalar'),
        );
      }
      case 'reduce':
        throw new Error(`reduction ${index} is read before its pass`);
    }
  }

  /** Row values that the loop about to start reads are computed before it. */
  private prepareRow(row: Scope, pass: number, roots: readonly number[]): void {
    const visit = (node: number): void => {
      if (this.levels[node] === 'uniform') return;
      if (this.levels[node] === 'row') {
        this.value(node, row);
        return;
      }
      const stash = this.stashes.get(node);
      if (stash !== undefined && this.passes[node]! < pass) return;
      const data = this.kernel.nodes[node]!;
      if (data.op === 'map') for (const arg of data.args) visit(arg);
    };
    for (const root of roots) visit(root);
  }

  private storeElements(scope: Scope, pass: number): void {
    const outputs = this.elementOutputs(pass);
    // A value may be stashed in a buffer that is about to be written: all are read first.
    for (const output of outputs) this.value(this.kernel.outputs[output]!.node, scope);
    for (const output of outputs) this.storeOutput(output, scope, scope.offsetOf);
  }

  private storeRows(scope: Scope, pass: number, row: Scope): void {
    for (const output of this.rowOutputs(pass + 1)) {
      this.value(this.kernel.outputs[output]!.node, row);
      this.storeOutput(output, scope, scope.offsetOf);
    }
    if (pass === 0) {
      for (const output of this.rowOutputs(0)) {
        this.value(this.kernel.outputs[output]!.node, row);
        this.storeOutput(output, scope, scope.offsetOf);
      }
    }
  }

  private storeOutput(output: number, scope: Scope, place: OffsetOf): void {
    scope.body.store(
      outputName(output),
      place(this.kernel.inputs.length + output),
      this.value(this.kernel.outputs[output]!.node, scope),
    );
  }

  // ---- What belongs to a pass

  private reductionsOf(pass: number): number[] {
    return this.kernel.nodes.flatMap((node, index) => (node.op === 'reduce' && this.passes[index] === pass + 1 ? [index] : []));
  }
  private rowNodes(pass: number): number[] {
    return scratchNodes(this.kernel).filter((node) => this.kernel.nodes[node]!.op !== 'reduce' && this.passes[node] === pass);
  }
  private elementOutputs(pass: number): number[] {
    return this.outputsAt('element', pass);
  }
  private rowOutputs(pass: number): number[] {
    return this.outputsAt('row', pass);
  }
  private outputsAt(level: 'element' | 'row', pass: number): number[] {
    return this.kernel.outputs.flatMap((output, index) =>
      output.level === level && this.passes[output.node] === pass ? [index] : [],
    );
  }

  private argOf(node: number): number {
    const data = this.kernel.nodes[node]!;
    if (data.op !== 'reduce') throw new Error(`node ${node} is not a reduction`);
    return data.arg;
  }
  private reduceOf(node: number): AccumulateKind {
    const data = this.kernel.nodes[node]!;
    if (data.op !== 'reduce') throw new Error(`node ${node} is not a reduction`);
    return data.reduce;
  }
  private identity(node: number): Expr {
    return constant(this.register(node), identityOf(this.reduceOf(node), this.kernel.nodes[node]!.dtype));
  }
  private register(node: number) {
    return scalarType(registerOf(this.kernel.nodes[node]!.dtype));
  }
}
