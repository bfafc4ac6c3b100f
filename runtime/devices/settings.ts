/** How settings of the environment are written that several parts of a device read. What they mean is known where they are read. */

const units: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `512m`, `2g`, `1.5 GiB`, or a number of bytes; undefined for what is no size. */
export function parseBytes(setting: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(setting.trim());
  return match === null ? undefined : Math.floor(Number(match[1]) * (units[match[2]!.toLowerCase()] ?? 1));
}
