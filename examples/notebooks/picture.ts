/** Grey pictures as PNG files: eight bits a pixel, uncompressed filters, nothing else of the format. */
import { writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import type { Tensor } from 'opwright';

/** Writes a tensor [height, width] whose `black` and `white` are given; what lies beyond them is cut off. */
export function writePicture(path: string, pixels: Tensor, black: number, white: number): void {
  const [height = 0, width = 0] = pixels.shape;
  const grey = pixels
    .subtract(black)
    .multiply(255 / (white - black))
    .clip({ min: 0, max: 255 })
    .cast('uint8')
    .dataSync();
  // Each row begins with the number of its filter, 0 for none.
  const rows = Buffer.alloc(height * (width + 1));
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) rows[row * (width + 1) + 1 + column] = Number(grey[row * width + column]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  writeFileSync(path, Buffer.concat([signature, ...chunks]));
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** Pictures [rows * columns, height, width] side by side, `columns` in a row. */
export function tiled(pictures: Tensor, columns: number): Tensor {
  const [count = 0, height = 0, width = 0] = pictures.shape;
  const rows = Math.floor(count / columns);
  return pictures
    .reshape([rows, columns, height, width])
    .transpose([0, 2, 1, 3])
    .reshape([rows * height, columns * width]);
}
