/**
 * Frees the memory of storages that became unreachable without being disposed.
 *
 * Finalisers run only after a major collection and in a macrotask of their own, and the collector does not see device memory. So two
 * things happen here: storages are registered with a FinalizationRegistry, small ones in groups, because registering costs more than
 * computing on them; and `relievePressure`, which awaited reads call, gives finalisers a turn, and asks for a collection when more
 * has been allocated since the last one than the budget allows. Allocating asks as well, though it cannot wait, for programs that await
 * other things. Purely synchronous loops get no help: they use tidy() or dispose().
 */
import type { Shape } from '../kernels/op.js';
import { debugging, report } from './debug.js';
import type { Device } from './devices/device.js';
import { formatShape } from './errors.js';

/** Storages that are freed together once none of them is reachable. The members hold `token`; nothing else does for long. */
export interface ReclaimGroup {
  readonly token: object;
  readonly members: GroupMembers;
}

interface GroupMembers {
  readonly device: Device;
  /** The addresses, `freed` in place of those that were freed explicitly. */
  readonly addresses: number[];
  readonly bytes: number[];
  /** What large members are, to tell when memory runs out. */
  readonly shapes: (Shape | undefined)[];
  totalBytes: number;
  unfreed: number;
}

const freed = -1;

/** A group is closed at so many members or bytes: one long-lived member keeps the others' memory, and this bounds how much. */
const groupMembers = 16;
const groupBytes = 8 << 10;

/** So much may be allocated beyond what survived the last collection (or once more of that, if more) before another is asked for. */
const collectionBudget = 64 << 20;
/** So many storages likewise: each costs a few hundred bytes on the host as well. */
const collectionStorages = 50_000;
/** So many storages may be made before an awaited read gives finalisers a turn of the event loop. */
const storagesBetweenTurns = 1024;
/** A collection that runs in steps needs some turns of the event loop to end. */
const turnsForCollection = 6;
/** What the collector is told is in use, to make it act. Virtual memory only: never touched, and gone at once. */
const pressureBytes = 1 << 30;

let live = 0;
let liveBytes = 0;
let madeSinceTurn = 0;
let storagesAfterCollection = 0;
let bytesAfterCollection = 0;
/** Live bytes at which allocating asks for a collection. */
let pressAtBytes = collectionBudget;
let openGroup: ReclaimGroup | null = null;
const liveGroups = new Set<GroupMembers>();
let collecting: Promise<void> | null = null;

const registry = new FinalizationRegistry(freeMembers);

/** Enters an allocation; the storage holds the group, and its `slot` is the last one. */
export function enterGroup(device: Device, address: number, bytes: number): ReclaimGroup {
  let group = openGroup;
  if (group === null || group.members.device !== device) {
    const members: GroupMembers = { device, addresses: [], bytes: [], shapes: [], totalBytes: 0, unfreed: 0 };
    group = { token: {}, members };
    liveGroups.add(members);
    registry.register(group.token, members);
    openGroup = group;
  }
  const { members } = group;
  members.addresses.push(address);
  members.bytes.push(bytes);
  members.totalBytes += bytes;
  members.unfreed++;
  if (members.addresses.length >= groupMembers || members.totalBytes >= groupBytes) openGroup = null;
  live++;
  liveBytes += bytes;
  madeSinceTurn++;
  if (liveBytes > pressAtBytes) {
    pressAtBytes = 2 * liveBytes;
    pressCollector();
  }
  return group;
}

/** Takes an allocation that is freed explicitly out of its group. */
export function leaveGroup(group: ReclaimGroup, slot: number): void {
  const { members } = group;
  members.addresses[slot] = freed;
  if (--members.unfreed === 0 && openGroup !== group) liveGroups.delete(members);
  live--;
  liveBytes -= members.bytes[slot]!;
}

/** Storages that were neither disposed nor found unreachable, and their bytes. */
export function liveStorages(): { count: number; bytes: number } {
  return { count: live, bytes: liveBytes };
}

/** The largest live storages in words, for the message of OUT_OF_MEMORY. */
export function describeLargest(count: number): string {
  const found: { bytes: number; shape: Shape | undefined }[] = [];
  for (const members of liveGroups) {
    members.addresses.forEach((address, slot) => {
      if (address !== freed) found.push({ bytes: members.bytes[slot]!, shape: members.shapes[slot] });
    });
  }
  found.sort((a, b) => b.bytes - a.bytes);
  const shown = found
    .slice(0, count)
    .map(({ bytes, shape }) => `${shape === undefined ? '' : `${formatShape(shape)} `}(${bytes} bytes)`);
  return shown.length === 0 ? 'none' : shown.join(', ');
}

function freeMembers(members: GroupMembers): void {
  liveGroups.delete(members);
  for (let slot = 0; slot < members.addresses.length; slot++) {
    const address = members.addresses[slot]!;
    if (address === freed) continue;
    members.device.free(address);
    live--;
    liveBytes -= members.bytes[slot]!;
  }
  storagesAfterCollection = Math.min(storagesAfterCollection, live);
  setBaseline(Math.min(bytesAfterCollection, liveBytes));
  if (debugging.memory) report('memory', `freed a group of ${members.addresses.length} unreachable storages`);
}

/** What an awaited read waits for: nothing, a turn of the event loop, or a collection, as the allocations since then ask. */
export function relievePressure(): Promise<void> | undefined {
  if (collecting !== null) return collecting;
  if (overBudget()) {
    collecting = collect().finally(() => {
      collecting = null;
    });
    return collecting;
  }
  if (madeSinceTurn < storagesBetweenTurns) return undefined;
  madeSinceTurn = 0;
  return turn();
}

function setBaseline(bytes: number): void {
  bytesAfterCollection = bytes;
  pressAtBytes = bytes + Math.max(collectionBudget, bytes);
}

function overBudget(): boolean {
  return (
    liveBytes - bytesAfterCollection > Math.max(collectionBudget, bytesAfterCollection) ||
    live - storagesAfterCollection > Math.max(collectionStorages, storagesAfterCollection)
  );
}

async function collect(): Promise<void> {
  const before = liveBytes;
  // Only what nothing else refers to can be found; the open group is referred to from here.
  openGroup = null;
  for (let round = 0; round < 2 && overBudget(); round++) {
    pressCollector();
    for (let waited = 0; waited < turnsForCollection && overBudget(); waited++) await turn();
  }
  madeSinceTurn = 0;
  storagesAfterCollection = live;
  setBaseline(liveBytes);
  if (debugging.memory) report('memory', `collection: ${before} bytes in live storages before, ${liveBytes} after`);
}

/** The collector counts array buffers: a large one that is dropped makes it collect at once, or begin to. */
function pressCollector(): void {
  try {
    new ArrayBuffer(pressureBytes);
  } catch {
    // No address space for it: the failed attempt made the collector act as well.
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
