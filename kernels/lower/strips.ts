/**
 * Strips: a few rows of results, and the copies of the image that their windows read, with zeros where those reach beyond the edge.
 * Neighbouring results read neighbouring elements of a copy, whatever stride, padding and dilation are, and each product of a window is
 * a fixed distance away.
 *
 * Where there is a copy for each column of the window, shifted by it and as long as the rows of results, all pixels of a strip are one
 * run without gaps. Fewer copies, one for each remainder of a column modulo the stride, have longer rows, and each row is a run.
 */
import { add, and, type Body, constant, div, eq, ge, I32, i32, load, lt, min, mul, param, rem, shuffle, sub } from '../build.js';
import type { Expr, Storage } from '../ir.js';
import { lanesType, range } from './tile.js';

/** The item's coordinates, the fastest first; each has as many values as the parameter of its name and an s says. `rest` is what remains. */
export function splitItem<Name extends string>(
  body: Body,
  item: Expr,
  names: readonly Name[],
): { readonly at: (name: Name) => Expr; readonly rest: Expr } {
  const parts = new Map<Name, Expr>();
  let rest = item;
  for (const name of names) {
    const size = param(`${name}s`);
    parts.set(name, body.let(name, rem(rest, size)));
    rest = body.let(`after_${name}`, div(rest, size));
  }
  return { at: (name) => parts.get(name)!, rest };
}

// ---- Copies

/** The numbers that the table `copies` has for each copy of a channel. */
const copyFields = ['rowOffset', 'columnOffset', 'from', 'to'] as const;

/** What a kernel that writes strips has among its integers. */
export const stripIntegers = [
  ...['channels', 'height', 'channelStride', 'rowStride', 'columnStride', 'rowStep', 'columns'],
  ...['copyCount', 'copySize', 'extraRows', 'pitch'],
] as const;

export interface StripForm {
  readonly storage: Storage;
  readonly lanes: number;
  /** Neighbouring elements of a copied row lie side by side in the image. */
  readonly contiguous: boolean;
}

export interface Strip {
  readonly source: Expr;
  readonly scratch: Expr;
  readonly firstRow: Expr;
  readonly rows: Expr;
}

/** strip[channel][copy][row][column]; element `column` of a row is the image's at column * step + columnOffset, for from <= column < to. */
export function writeStrip(body: Body, form: StripForm, { source, scratch, firstRow, rows }: Strip): void {
  const pitch = param('pitch');
  const slots = body.let('slots', add(rows, param('extraRows')));
  body.for('channel', 0, param('channels'), (channel, inChannel) => {
    const plane = inChannel.let('plane', add(source, mul(channel, param('channelStride'))));
    inChannel.for('copy', 0, param('copyCount'), (copy, inCopy) => {
      const [rowOffset, columnOffset, from, to] = copyFields.map((field, at) =>
        inCopy.let(field, load(I32, 'copies', add(mul(copy, copyFields.length), at))),
      ) as [Expr, Expr, Expr, Expr];
      const copyAt = add(mul(channel, param('copyCount')), copy);
      const target = inCopy.let('copyTarget', add(scratch, mul(copyAt, param('copySize'))));
      const first = inCopy.let('first', add(plane, columnOffset));
      inCopy.for('slot', 0, slots, (slot, inRow) => {
        const start = inRow.let('start', add(target, mul(slot, pitch)));
        const y = inRow.let('y', add(mul(add(firstRow, slot), param('rowStep')), rowOffset));
        const inside = inRow.let('inside', and(ge(y, 0), lt(y, param('height'))));
        const zeros = (body: Body, name: string, first: Expr, last: Expr): void =>
          inVectors(body, name, form.lanes, first, last, (at, lanes, turn) =>
            turn.store('strip', add(start, at), constant(lanesType(form.storage, lanes), 0)),
          );
        inRow.if(
          inside,
          (some) => {
            zeros(some, 'before', i32(0), from);
            zeros(some, 'after', to, pitch);
            const line = some.let('line', add(first, mul(y, param('rowStride'))));
            copyRow(some, form, { start, line, from, to });
          },
          (none) => zeros(none, 'zero', i32(0), pitch),
        );
      });
    });
  });
}

interface Row {
  readonly start: Expr;
  readonly line: Expr;
  readonly from: Expr;
  readonly to: Expr;
}

function copyRow(body: Body, form: StripForm, { start, line, from, to }: Row): void {
  const { storage, lanes } = form;
  const stride = param('columnStride');
  const elements = (at: Expr, count: number): Expr => load(lanesType(storage, count), 'x', at);
  const copy = (at: Body, most: number, valueAt: (place: Expr, count: number) => Expr): void =>
    inVectors(at, 'column', most, from, to, (place, count, turn) =>
      turn.store('strip', add(start, place), valueAt(place, count)),
    );
  const single = (place: Expr): Expr => elements(add(line, mul(place, stride)), 1);
  if (form.contiguous) copy(body, lanes, (place, count) => elements(add(line, place), count));
  else if (lanes === 1) copy(body, 1, single);
  else {
    // Every second element of two vectors, of which the second ends with the last that is wanted.
    const picked = range(lanes).map((lane) => (lane < lanes / 2 ? 2 * lane : 2 * lane + 1));
    const pairs = (place: Expr, count: number): Expr => {
      if (count === 1) return single(place);
      const first = add(line, mul(place, 2));
      return shuffle(elements(first, lanes), elements(add(first, lanes - 1), lanes), picked);
    };
    body.if(
      eq(stride, 2),
      (even) => copy(even, lanes, pairs),
      (spread) => copy(spread, 1, single),
    );
  }
}

/** Goes over a range in vectors, of which the last moves back to end with it; element by element where it is shorter than one. */
export function inVectors(
  body: Body,
  name: string,
  lanes: number,
  from: Expr,
  to: Expr,
  write: (at: Expr, lanes: number, body: Body) => void,
): void {
  const single = (target: Body): void => target.for(name, from, to, (at, turn) => write(at, 1, turn));
  if (lanes === 1) {
    single(body);
    return;
  }
  body.if(
    ge(sub(to, from), lanes),
    (long) =>
      long.for(name, from, to, (at, turn) => write(turn.let(`${name}At`, min(at, sub(to, lanes))), lanes, turn), { step: lanes }),
    single,
  );
}
