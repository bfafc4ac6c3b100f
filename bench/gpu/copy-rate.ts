/** What the memory of a GPU can do: the driver's own copy within it, read and written together, in 10^9 bytes a second. */
import { cuda } from '../../entry/index.js';
import { getDevice } from '../../runtime/devices/registry.js';
import { median } from '../measure.js';

const copies = 20;
const rounds = 7;

export async function copyRate(name: string, bytes: number): Promise<number> {
  const device = getDevice(name);
  const from = device.allocate(bytes);
  const to = device.allocate(bytes);
  device.fill(from, bytes, 1);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const run = () => {
      for (let copy = 0; copy < copies; copy++) device.copy(from, to, bytes);
    };
    times.push((await cuda.time(run, name)) / copies);
  }
  device.free(from);
  device.free(to);
  return (2 * bytes) / median(times) / 1e6;
}
