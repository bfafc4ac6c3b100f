/**
 * A square of elements turned in registers: as many vectors as they have lanes. Where the vectors come from and go to is the caller's
 * business.
 *
 * Every step is one that machines have an instruction for: halves of the 128-bit parts of two vectors interleaved, element by element or
 * pair by pair, and whole parts of two vectors picked out. Wider steps, of any lanes, take two instructions or more.
 */
import { type Body, shuffle } from '../build.js';
import type { Expr } from '../ir.js';
import { range } from './tile.js';

const partBits = 128;

/** The columns of the square whose rows are given; there is a power of 2 of them. Locals are called after `name`. */
export function turnedSquare(body: Body, rows: readonly Expr[], name = 'turned'): readonly Expr[] {
  let count = 0;
  const pick = (left: Expr, right: Expr, lanes: readonly number[]): Expr =>
    body.let(`${name}_${count++}`, shuffle(left, right, lanes));
  const part = Math.min(rows.length, partBits / (rows[0]!.type.laneBits ?? partBits));
  const groups = range(rows.length / part).map((group) => turnParts(rows.slice(group * part, (group + 1) * part), 1, part, pick));
  const columns = range(part).map((within) =>
    gatherParts(
      groups.map((group) => group[within]!),
      part,
      pick,
    ),
  );
  return range(rows.length).map((column) => columns[column % part]![Math.floor(column / part)]!);
}

type Pick = (left: Expr, right: Expr, lanes: readonly number[]) => Expr;

/** As many vectors as a part has elements: each part turned where it stands. What vectors hold are runs of `run` elements of a column. */
function turnParts(vectors: readonly Expr[], run: number, part: number, pick: Pick): readonly Expr[] {
  if (vectors.length === 1) return vectors;
  const size = vectors[0]!.type.lanes;
  const interleaved = (from: number): readonly number[] =>
    range(size).map((lane) => {
      const within = lane % part;
      const source = Math.floor(within / (2 * run)) * run + (within % run) + from;
      return lane - within + source + (Math.floor(within / run) % 2) * size;
    });
  const halves = [0, part / 2].map((from) => pairs(vectors).map(([left, right]) => pick(left, right, interleaved(from))));
  return halves.flatMap((half) => turnParts(half, 2 * run, part, pick));
}

/** Part p of all vectors, in their order, for each p. */
function gatherParts(vectors: readonly Expr[], part: number, pick: Pick): readonly Expr[] {
  if (vectors.length === 1) return vectors;
  const size = vectors[0]!.type.lanes;
  const everyOther = (first: number): readonly number[] =>
    range(size).map((lane) => (2 * Math.floor(lane / part) + first) * part + (lane % part));
  const [even, odd] = [0, 1].map((first) =>
    gatherParts(
      pairs(vectors).map(([left, right]) => pick(left, right, everyOther(first))),
      part,
      pick,
    ),
  );
  return even!.flatMap((vector, at) => [vector, odd![at]!]);
}

const pairs = (vectors: readonly Expr[]): (readonly [Expr, Expr])[] =>
  range(vectors.length / 2).map((pair) => [vectors[2 * pair]!, vectors[2 * pair + 1]!]);
