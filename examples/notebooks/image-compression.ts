/**
 * Image compression by singular values: a sheet of MNIST digits, and what is left of it with fewer and fewer of its singular values.
 *
 *     node dist/examples/notebooks/image-compression.js [picture.png] [digits along a side, 20]
 */
import { concat, svd, type Tensor } from 'opwright';
import { loadDigits } from '../mnist/data.js';
import { tiled, writePicture } from './picture.js';

const [path = 'image-compression.png', side = '20'] = process.argv.slice(2);
const count = Number(side) ** 2;
const sheet = tiled(loadDigits('train', count).images.reshape([count, 28, 28]).cast('float32'), Number(side));
const { u, s, vh } = svd(sheet);
const size = s.size;

const kept = [1 / 4, 1 / 16, 1 / 64].map((share) => Math.max(1, Math.round(size * share)));
const versions = kept.map((rank): Tensor => {
  const first = (x: Tensor, axis: number) => x.slice([axis], [0], [rank]);
  return first(u, 1).multiply(first(s, 0)).matmul(first(vh, 0));
});
for (const [place, version] of versions.entries()) {
  const error = sheet.subtract(version).norm().divide(sheet.norm()).item();
  const share = (kept[place]! * (2 * sheet.shape[0]! + 1)) / sheet.size;
  console.log(
    `${kept[place]} of ${size} singular values: ${(100 * share).toFixed(1)} % of the numbers, error ${(100 * error).toFixed(1)} %`,
  );
}
writePicture(path, concat([sheet, ...versions], { axis: 1 }), 0, 255);
console.log(`picture: ${path}`);
