/**
 * The wave equation in two dimensions, with fixed edges: two drops fall into a basin, and explicit steps of second order (leapfrog) carry their
 * waves on. The picture shows the water at four times.
 *
 *     node dist/examples/notebooks/wave.js [picture.png] [points along a side, 256] [steps, 400]
 */
import { arange, concat, pad, type Tensor, tidy, zerosLike } from 'opwright';
import { writePicture } from './picture.js';

const [path = 'wave.png', side = '256', count = '400'] = process.argv.slice(2);
const [points, steps] = [Number(side), Number(count)];
/** The squared Courant number: at most 1/2, or steps of this kind grow without bound. */
const courant = 0.25;

const along = arange(points).cast('float32').divide(points);
function drop(x: number, y: number): Tensor {
  const across = along.subtract(x).square().add(along.subtract(y).square().unsqueeze(1));
  return across.multiply(-400).exp();
}

/** The sum of the differences to the four neighbours, beyond the edges 0. */
function laplacian(water: Tensor): Tensor {
  const wide = pad(water, [1, 1, 1, 1]);
  const shifted = (row: number, column: number) => wide.slice([0, 1], [row, column], [row + points, column + points]);
  return shifted(0, 1).add(shifted(2, 1)).add(shifted(1, 0)).add(shifted(1, 2)).subtract(water.multiply(4));
}

let now = drop(0.3, 0.4).add(drop(0.7, 0.55).multiply(0.5));
let before = now.add(zerosLike(now));
const shown = [now];
for (let step = 1; step <= steps; step++) {
  const next = tidy(() => now.multiply(2).subtract(before).add(laplacian(now).multiply(courant)));
  if (!shown.includes(before)) before.dispose();
  [before, now] = [now, next];
  if (step % Math.floor(steps / 3) === 0 && shown.length < 4) shown.push(now);
}
console.log(
  `after ${steps} steps the highest water is ${now.max().item().toFixed(3)}, the lowest ${now.min().item().toFixed(3)}`,
);
writePicture(path, concat(shown, { axis: 1 }), -0.3, 0.3);
console.log(`picture: ${path}`);
