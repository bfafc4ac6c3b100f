/**
 * Principal components of MNIST: the eigenvectors of the pixels' covariance, the share of the variance that the first of them hold, and
 * digits rebuilt from few numbers. The picture: the mean and the first components, digits, and what 40 components keep of them.
 *
 *     node dist/examples/notebooks/pca.js [picture.png] [digits, 60000]
 */
import { concat, eigh, flip } from 'opwright';
import { loadDigits } from '../mnist/data.js';
import { tiled, writePicture } from './picture.js';

const [path = 'pca.png', count = '60000'] = process.argv.slice(2);
const images = loadDigits('train', Number(count)).images;
const pixels = images.reshape([images.shape[0]!, 784]).cast('float32').divide(255);
const mean = pixels.mean({ axis: 0 });
const centred = pixels.subtract(mean);
const covariance = centred.matmul(centred, { transposeX: true }).divide(centred.shape[0]! - 1);
const { eigenvalues, eigenvectors } = eigh(covariance);
// In descending order, one component a row.
const variances = flip(eigenvalues, [0]);
const components = flip(eigenvectors, [1]).transpose([1, 0]);

const total = variances.sum().item();
for (const kept of [2, 10, 40, 100])
  console.log(
    `${kept} components hold ${((100 * variances.slice([0], [0], [kept]).sum().item()) / total).toFixed(1)} % of the variance`,
  );

const first = components.slice([0], [0], [40]);
const some = centred.slice([0], [0], [12]);
const rebuilt = some.matmul(first, { transposeY: true }).matmul(first);
const drawn = components.slice([0], [0], [11]).multiply(4).add(0.5);
const rows = concat([mean.reshape([1, 784]), drawn, some.add(mean), rebuilt.add(mean)], { axis: 0 });
writePicture(path, tiled(rows.reshape([36, 28, 28]), 12), 0, 1);
console.log(`picture: ${path}`);
