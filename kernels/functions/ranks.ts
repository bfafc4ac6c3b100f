/**
 * The order of elements that stand near each other, for machines with a thread for every one of them: each looks how many of its
 * neighbours come before it, and that is where it goes. Rows are cut into stretches, so an element has as many neighbours as a stretch is long.
 */
import { type Buffer, type i32, idiv, irem, min } from './language.js';
import { precedes } from './order.js';

/**
 * The `k` first elements of each stretch of each row of [rows, n], in order; all of the last stretch, where it has fewer. A row of the
 * result has `kept` elements. With `hasPlaces` the elements are what an earlier step kept, and `places` where these come from; equal ones
 * have to stand in the order of their places, and then do so again. A work item is an element.
 */
export function firstOfStretches(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  places: Buffer<'int32'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  stretch: i32,
  k: i32,
  kept: i32,
  descending: i32,
  hasPlaces: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, n);
    const own = irem(item, n);
    const first = own - irem(own, stretch);
    const last = min(first + stretch, n);
    const value = x[item]!;
    let rank: i32 = 0;
    for (let other = first; other < last; other++) {
      const neighbour = x[row * n + other]!;
      const stays = other < own && !precedes(value, neighbour, descending);
      rank += precedes(neighbour, value, descending) || stays ? 1 : 0;
    }
    if (rank < k) {
      const to = row * kept + idiv(own, stretch) * k + rank;
      values[to] = value;
      let place: i32 = own;
      if (hasPlaces !== 0) place = places[item]!;
      index[to] = place;
    }
  }
}
