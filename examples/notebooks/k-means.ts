/**
 * k-means (Lloyd's algorithm) on MNIST: each digit goes to the nearest centre, each centre to the mean of its digits, until they stay. The
 * picture shows the centres.
 *
 *     node dist/examples/notebooks/k-means.js [picture.png] [digits, 20000] [centres, 20] [rounds, 20]
 */
import { argmin, matmul, maximum, oneHot, randperm, seed } from 'opwright';
import { loadDigits } from '../mnist/data.js';
import { tiled, writePicture } from './picture.js';

const [path = 'k-means.png', ...numbers] = process.argv.slice(2);
const [count = 20000, centreCount = 20, rounds = 20] = numbers.map(Number);
const images = loadDigits('train', count).images;
const pixels = images.reshape([count, 784]).cast('float32').divide(255);
seed(1);
let centres = pixels.indexSelect(randperm(count).slice([0], [0], [centreCount]).cast('int32'));
let spread = Infinity;
for (let round = 1; round <= rounds; round++) {
  // |x - c|^2 less |x|^2, which is the same for all centres.
  const distances = centres
    .square()
    .sum({ axis: 1 })
    .subtract(matmul(pixels, centres, { transposeY: true }).multiply(2));
  const belongs = oneHot(argmin(distances, { axis: 1 }), centreCount);
  const left = distances
    .min({ axis: 1 })
    .add(pixels.square().sum({ axis: 1 }))
    .mean()
    .item();
  centres = belongs.matmul(pixels, { transposeX: true }).divide(maximum(belongs.sum({ axis: 0 }), 1).unsqueeze(1));
  if (round === 1 || round % 5 === 0) console.log(`round ${round}: mean squared distance ${left.toFixed(4)}`);
  if (spread - left < 1e-6) break;
  spread = left;
}
writePicture(path, tiled(centres.reshape([centreCount, 28, 28]), centreCount / 2), 0, 1);
console.log(`picture: ${path}`);
