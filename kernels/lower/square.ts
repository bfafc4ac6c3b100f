/**
 * A square of elements turned in registers: as many vectors as they have lanes. Where the vectors come from and go to is the caller's
 * business.
 */
import { type Body, shuffle } from '../build.js';
import type { Expr } from '../ir.js';
import { range } from './tile.js';

/**
 * The columns of the square whose rows are given; there is a power of 2 of them. Rows half a square apart are interleaved, again and
 * again: each time the place of an element, row and column written as one binary number, turns by one digit. Locals are called after `name`.
 */
export function turnedSquare(body: Body, rows: readonly Expr[], name = 'turned'): readonly Expr[] {
  const size = rows.length;
  const half = size / 2;
  let square = rows;
  for (let stage = 0; 2 ** stage < size; stage++) {
    const from = square;
    square = range(size).map((at) => {
      const [left, right] = [from[Math.floor(at / 2)]!, from[Math.floor(at / 2) + half]!];
      const first = (at % 2) * half;
      const lanes = range(size).map((lane) => first + Math.floor(lane / 2) + (lane % 2) * size);
      return body.let(`${name}_${stage}_${at}`, shuffle(left, right, lanes));
    });
  }
  return square;
}
