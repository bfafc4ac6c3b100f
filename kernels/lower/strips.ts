/**
 * Strips: a few rows of results, and the copies of the image that their windows read. There is one copy of a channel for each column of
 * the window, of the rows shifted by that column, with zeros where they reach beyond the edge, and as long as the rows of results. So
 * the pixels of a strip are one run without gaps, whatever stride, padding and dilation are, and each product of a window is a fixed
 * distance away.
 */
import { add, and, type Body, constant, div, ge, I32, i32, load, lt, min, mul, param, rem, sub } from '../build.js';
import type { Expr, Storage } from '../ir.js';
import { lanesType } from './tile.js';

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
  ...['copyCount', 'copySize', 'extraRows'],
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
  const columns = param('columns');
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
        const start = inRow.let('start', add(target, mul(slot, columns)));
        const y = inRow.let('y', add(mul(add(firstRow, slot), param('rowStep')), rowOffset));
        const inside = inRow.let('inside', and(ge(y, 0), lt(y, param('height'))));
        const whole = and(inside, ge(sub(to, from), columns));
        const zeros = (at: Expr, lanes: number, turn: Body): void =>
          turn.store('strip', add(start, at), constant(lanesType(form.storage, lanes), 0));
        inRow.if(
          whole,
          () => {},
          (partial) => inVectors(partial, 'zero', form.lanes, i32(0), columns, zeros),
        );
        inRow.if(inside, (some) => {
          const line = some.let('line', add(first, mul(y, param('rowStride'))));
          const place = (at: Expr): Expr => add(line, form.contiguous ? at : mul(at, param('columnStride')));
          const copyOf = (at: Expr, lanes: number, turn: Body): void =>
            turn.store('strip', add(start, at), load(lanesType(form.storage, lanes), 'x', place(at)));
          inVectors(some, 'column', form.contiguous ? form.lanes : 1, from, to, copyOf);
        });
      });
    });
  });
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
