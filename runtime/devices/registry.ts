/**
 * The devices there are, by name, and the default one. Devices open on first use, so that importing the library allocates nothing.
 */
import { formatValue, OpwrightError } from '../errors.js';
import { openCpu } from './cpu/device.js';
import { openCuda } from './cuda/open.js';
import type { Device } from './device.js';

const opened = new Map<string, Device>();
let current: Device | null = null;

/**
 * The device of that name, opened if need be: `cpu`, or `cuda:1` for the second GPU, `cuda` for the first; `gpu` is another word for
 * `cuda`. Throws DEVICE_UNAVAILABLE: there is never a silent fall-back to another.
 */
export function getDevice(name: string): Device {
  const { kind, index } = parseName(name);
  const canonical = kind === 'cpu' ? 'cpu' : `${kind}:${index}`;
  const known = opened.get(canonical);
  if (known !== undefined) return known;
  const device = kind === 'cpu' ? openCpu() : openCuda(index);
  opened.set(canonical, device);
  return device;
}

interface DeviceName {
  readonly kind: 'cpu' | 'cuda';
  readonly index: number;
}

function parseName(name: string): DeviceName {
  const match = /^(?:(cpu)|(?:cuda|gpu)(?::(\d+))?)$/.exec(name);
  if (match !== null) return { kind: match[1] === undefined ? 'cuda' : 'cpu', index: Number(match[2] ?? 0) };
  throw new OpwrightError('DEVICE_UNAVAILABLE', `There is no device ${formatValue(name)}.`, {
    argument: 'device',
    remedy: "Use 'cpu', 'cuda', or 'cuda:1' for the second GPU.",
  });
}

/** Where tensors are made unless an option says otherwise: cpu, until setDevice. */
export function defaultDevice(): Device {
  current ??= getDevice('cpu');
  return current;
}

/** Makes a device the default one. */
export function makeDefault(device: Device): void {
  current = device;
}

/** Runs with another default device. */
export function withDefault<R>(device: Device, run: () => R): R {
  const before = current;
  current = device;
  try {
    return run();
  } finally {
    current = before;
  }
}

/** The devices that were used so far. */
export function openDevices(): readonly Device[] {
  return [...opened.values()];
}
