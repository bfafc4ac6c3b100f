/** The notebooks of examples/notebooks, with small settings: each says what it should and leaves a picture. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples', 'notebooks');

const notebooks: readonly (readonly [name: string, settings: readonly string[], says: RegExp, width: number, height: number])[] =
  [
    ['circuit', ['8'], /64 nodes: 1\.\d+ ohms between the points, Kirchhoff's law holds to \d\.\de-1\d A/, 8, 8],
    ['image-compression', ['4'], /7 of 112 singular values: 12\.6 % of the numbers/, 448, 112],
    ['k-means', ['300', '6', '5'], /round 5: mean squared distance/, 84, 56],
    ['pca', ['400'], /40 components hold [78]\d\.\d % of the variance/, 336, 84],
    ['wave', ['32', '60'], /after 60 steps the highest water is 0\.\d+/, 128, 32],
  ];

for (const [name, settings, says, width, height] of notebooks)
  test(`the notebook ${name} works and draws a picture`, (t) => {
    const place = mkdtempSync(join(tmpdir(), 'opwright-notebook-'));
    try {
      const path = join(place, 'picture.png');
      const { stdout, stderr } = spawnSync(process.execPath, [join(folder, `${name}.js`), path, ...settings], {
        encoding: 'utf8',
      });
      t.regex(stdout, says, stderr);
      const picture = readFileSync(path);
      t.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [width, height]);
    } finally {
      rmSync(place, { recursive: true });
    }
  });
