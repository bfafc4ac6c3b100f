/** Shifts whose result depends on how wide an integer is, which the op matrix, comparing widths with each other, leaves out. */
import test from 'ava';
import { type Dtype, logicalRightShift, tensor } from '../entry/index.js';

const widths: readonly (readonly [Dtype, number])[] = [
  ['uint8', 8],
  ['int8', 8],
  ['int16', 16],
  ['int32', 32],
  ['int64', 64],
];

for (const [dtype, width] of widths) {
  test(`logicalRightShift of ${dtype} brings zeros in from the left of ${width} bits`, (t) => {
    const values = dtype === 'uint8' ? [200, 255, 128, 3, 77] : [-56, -1, -128, 3, -77];
    const places = [1, width - 1, 3, width, width + 1];
    const shifted = logicalRightShift(tensor(values, { dtype }), tensor(places, { dtype }));
    const expected = values.map((value, index) => {
      const place = places[index]!;
      return place >= width ? 0 : Number(BigInt.asUintN(width, BigInt(value)) >> BigInt(place));
    });
    t.deepEqual(Array.from(shifted.dataSync(), Number), expected);
  });
}
