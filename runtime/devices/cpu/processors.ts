/**
 * How many processors the process may keep busy. Node knows which processors it may run on; on Linux a control group may besides allow
 * it less time than they have, as containers do. With more threads than that, all of them are stopped for part of every period.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

export function availableProcessors(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(processorQuota('/'))));
}

/**
 * The processor time, in processors, that control groups of either version allow the process: the least of its group's and all groups'
 * around it; Infinity where none sets a limit. In a container the folders that the process's group names may lie outside; then the
 * mounted root is its group.
 */
export function processorQuota(root: string): number {
  let quota = Infinity;
  for (const line of read(join(root, 'proc/self/cgroup')).split('\n')) {
    const [hierarchy = '', controllers = '', ...path] = line.split(':');
    const names = path.join(':').split('/').filter(Boolean);
    for (let depth = 0; depth <= names.length; depth++) {
      const within = names.slice(0, depth).join('/');
      if (hierarchy === '0') quota = Math.min(quota, quotaOf(read(join(root, 'sys/fs/cgroup', within, 'cpu.max'))));
      else if (controllers.split(',').includes('cpu')) {
        const folder = join(root, 'sys/fs/cgroup', controllers, within);
        quota = Math.min(quota, quotaOf(`${read(join(folder, 'cpu.cfs_quota_us'))} ${read(join(folder, 'cpu.cfs_period_us'))}`));
      }
    }
  }
  return quota;
}

/** From the time allowed and the period, in microseconds. `max` and negative times set no limit. */
function quotaOf(text: string): number {
  const [time = '', period = ''] = text.trim().split(/\s+/);
  const quota = Number(time) / Number(period);
  return quota > 0 ? quota : Infinity;
}

/** A file's text, which is empty where there is no such file or it may not be read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
