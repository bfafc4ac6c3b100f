/** Faults in matrix products and convolutions. */
import type { PickedFaults } from '../picked.js';
import { convolutions, products } from './plans.js';

const tail = 'off-by-one loop bound or vector tail';

export const libraryKernels: readonly PickedFaults[] = [
  {
    file: 'runtime/library/gemm',
    plan: products,
    faults: [
      ['wrong stride', '!even || !shared', '!shared'],
      ['wrong stride', '!even || !shared', '!even'],
      ['wrong stride', 'offset + at * aligned[axis]', 'offset + at * (strides[axis] ?? 0)'],
      ['wrong stride', '[offset, index * size]', '[offset, 0]'],
      [tail, 'const rowBlocks = Math.ceil(m / blockRows)', 'const rowBlocks = Math.floor(m / blockRows)'],
      [tail, 'lengthBlocks: Math.ceil(k / length)', 'lengthBlocks: Math.floor(k / length)'],
      [tail, 'columnBlocks: Math.ceil(n / blockColumns)', 'columnBlocks: Math.floor(n / blockColumns)'],
    ],
  },
  {
    file: 'runtime/library/packing',
    plan: products,
    faults: [
      ['overrun', 'this.bytes = this.matrixSize * offsets.length', 'this.bytes = (this.matrixSize - 1) * offsets.length'],
      ['wrong stride', 'columnStride === 1 && width % lanes === 0', 'width % lanes === 0'],
    ],
  },
  {
    file: 'kernels/lower/gemm',
    plan: products,
    faults: [
      [tail, "lt(add(column, part), param('n'))", "lt(add(column, part + 1), param('n'))"],
      ['overrun', "min(add(firstRow, param('blockRows')), m)", "add(firstRow, param('blockRows'))"],
      [
        'overrun',
        "body.let('endColumn', min(add(firstColumn, param('blockColumns')), n))",
        "body.let('endColumn', add(firstColumn, param('blockColumns')))",
      ],
      ['overrun', "min(param('blockLength'), sub(k, start))", "param('blockLength')"],
      ['overrun', "min(column, sub(param('n'), width))", 'column'],
      ['overrun', 'le(add(row, form.rows), endRow)', 'le(row, endRow)'],
      ['overrun', 'lt(add(row, at), endRow)', 'le(add(row, at), endRow)'],
      ['wrong formula', '(later) => store(later, true)', '(later) => store(later, false)'],
      ['wrong stride', "mul(rem(row, m), param('aRow'))", "mul(row, param('aRow'))"],
      ['wrong stride', 'mul(mul(batch, m), n)', 'mul(batch, n)'],
    ],
  },
  {
    file: 'kernels/lower/tile',
    plan: { ...products, ops: [...products.ops, ...convolutions.ops] },
    faults: [
      [tail, 'lt(number, columns.to)', 'ge(columns.to, number)'],
      [tail, 'ge(number, columns.from)', 'lt(columns.from, number)'],
      ['wrong formula', 'options.adds ? add(there, value) : value', 'value'],
    ],
  },
  {
    file: 'kernels/lower/convolution',
    plan: convolutions,
    faults: [
      ['wrong stride', "sub(param('left'), columnPhase)", "param('left')"],
      [tail, "inner.let('inside', and(ge(y, 0),", "inner.let('inside', and(gt(y, 0),"],
      [tail, "inRow.let('inside', and(ge(y, 0),", "inRow.let('inside', and(gt(y, 0),"],
      [
        tail,
        "inner.let('inside', and(ge(y, 0), lt(y, param('height'))))",
        "inner.let('inside', and(ge(y, 0), le(y, param('height'))))",
      ],
      ['overrun', 'max(sub(pixels, vectors * form.lanes), 0)', 'sub(pixels, vectors * form.lanes)'],
      ['overrun', "min(rows, sub(param('filters'), strip.filter))", 'rows'],
      ['overrun', 'le(add(tile.tap, row), last)', "le(add(tile.tap, row), param('length'))"],
      [tail, "body.for('part', 1, param('parts'),", "body.for('part', 2, param('parts'),"],
      ['wrong formula', '(later) => store(later, true)', '(later) => store(later, false)'],
    ],
  },
  {
    file: 'runtime/library/convolution',
    plan: convolutions,
    faults: [
      ['wrong stride', '(y % stride[0]) * stride[1] + (x % stride[1])', '(y % stride[0]) + (x % stride[1])'],
      ['wrong stride', 'row.first * image[1] + column.first', 'row.first + column.first'],
      ['wrong stride', 'shape[2] === 1 || strides[2] === shape[3] * strides[3]', 'true'],
      ['wrong stride', 'plain && unpadded && (', 'plain && ('],
      ['wrong stride', 'const even = result[0] === 1 || perRow === result[1] * perColumn;', 'const even = true;'],
      [tail, 'Math.ceil(images / partImages)', 'Math.floor(images / partImages)'],
      ['wrong stride', 'elements.every((element, at) => element === at) ? 1 : elements', '1'],
      ['overrun', 'this.partialBytes = parts * partSize *', 'this.partialBytes = (parts - 1) * partSize *'],
    ],
  },
];
