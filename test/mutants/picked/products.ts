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
    ],
  },
  {
    file: 'runtime/library/packing',
    plan: products,
    faults: [
      ['overrun', 'this.matrixSize = panels * pitch * length;', 'this.matrixSize = panels * pitch * length - 1;'],
      ['wrong stride', 'columnStride === 1 && pitch % lanes === 0', 'pitch % lanes === 0'],
      ['wrong stride', '!byRows && rowStride === 1 && width % lanes === 0', '!byRows && width % lanes === 0'],
    ],
  },
  {
    file: 'kernels/lower/packing',
    plan: products,
    faults: [
      [tail, "lt(add(column, part), param('n'))", "lt(add(column, part + 1), param('n'))"],
      ['overrun', "min(add(firstRow, param('blockRows')), param('k'))", "add(firstRow, param('blockRows'))"],
      ['overrun', "min(add(firstPanel, param('blockPanels')), panels)", "add(firstPanel, param('blockPanels'))"],
      ['wrong stride', 'add(to, at * pitch)', 'add(to, at * lanes)'],
    ],
  },
  {
    file: 'kernels/lower/gemm',
    plan: products,
    faults: [
      ['overrun', 'min(startOf(add(number, 1)), end)', 'startOf(add(number, 1))'],
      ['overrun', "min(param('blockLength'), sub(param('k'), start))", "param('blockLength')"],
      ['overrun', 'min(column, sub(n, width))', 'column'],
      ['wrong formula', '(whole) => storeRows(whole, true)', '(whole) => storeRows(whole, false)'],
      ['wrong stride', 'mul(mul(batch, m), n)', 'mul(batch, n)'],
      ['wrong stride', "mul(div(column, width), param('bPanel'))", "mul(column, param('bPanel'))"],
    ],
  },
  {
    file: 'kernels/lower/convolution',
    plan: convolutions,
    faults: [
      ['overrun', 'max(sub(pixels, lanes), 0)', 'sub(pixels, lanes)'],
      ['overrun', "min(rows, sub(param('filters'), run.filter))", 'rows'],
      ['overrun', "min(param('stripRows'), sub(param('rows'), firstRow))", "param('stripRows')"],
      ['overrun', "min(mul(end, param('itemJobs')), param('jobs'))", "mul(end, param('itemJobs'))"],
    ],
  },
  {
    file: 'kernels/lower/depthwise',
    plan: convolutions,
    faults: [
      [tail, "each.for('row', wholeRows, rows,", "each.for('row', wholeRows, sub(rows, 1),"],
      ['wrong stride', "mul(param('pitch'), slot)", "mul(param('pitch'), slot + 1)"],
      ['wrong stride', "mul(param('outRow'), done)", "mul(param('outRow'), 0)"],
      ['wrong formula', 'weights[tap * windowColumns + column]', 'weights[tap * windowColumns]'],
      ['wrong formula', 'tap >= windowRows', 'tap > windowRows'],
    ],
  },
  {
    file: 'runtime/library/depthwise',
    plan: convolutions,
    faults: [['overrun', 'columns < lanes || ', '']],
  },
];
