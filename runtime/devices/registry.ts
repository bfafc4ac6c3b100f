/**
 * The devices there are, by name, and the default one. Devices open on first use, so that importing the library allocates nothing.
 */
import { formatValue, OpwrightError } from '../errors.js';
import { openCpu } from './cpu/device.js';
import type { Device } from './device.js';

const openers: ReadonlyMap<string, () => Device> = new Map([['cpu', openCpu]]);
const opened = new Map<string, Device>();
let current: Device | null = null;

/** The device of that name, opened if need be. Throws DEVICE_UNAVAILABLE: there is never a silent fall-back to another. */
export function getDevice(name: string): Device {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const open = openers.get(name);
  if (open === undefined) {
    throw new OpwrightError('DEVICE_UNAVAILABLE', `There is no device ${formatValue(name)}.`, {
      argument: 'device',
      remedy: `Use one of ${[...openers.keys()].join(', ')}.`,
    });
  }
  const device = open();
  opened.set(name, device);
  return device;
}

/** Where tensors are made unless an option says otherwise: cpu, until setDevice. */
export function defaultDevice(): Device {
  current ??= getDevice('cpu');
  return current;
}

/** Makes a device the default one and gives it. */
export function setDevice(name: string): Device {
  current = getDevice(name);
  return current;
}

/** The devices that were used so far. */
export function openDevices(): readonly Device[] {
  return [...opened.values()];
}
