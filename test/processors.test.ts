/** Limits of processor time that control groups set, read from folders laid out like those of Linux. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { availableProcessors, processorQuota } from '../runtime/devices/cpu/processors.js';

/** The quota under a root with these files, by path. */
function quotaWith(files: Readonly<Record<string, string>>): number {
  const root = mkdtempSync(join(tmpdir(), 'opwright-quota-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `${text}\n`);
    }
    return processorQuota(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('there is no limit without control groups, and none where they set none', (t) => {
  t.is(quotaWith({}), Infinity);
  t.is(quotaWith({ 'proc/self/cgroup': '0::/', 'sys/fs/cgroup/cpu.max': 'max 100000' }), Infinity);
  const unlimited = { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' };
  t.is(quotaWith({ 'proc/self/cgroup': '1:cpu:/', ...unlimited }), Infinity);
});

test('of nested groups the least limit holds', (t) => {
  const group = { 'proc/self/cgroup': '0::/system.slice/job' };
  const outer = { 'sys/fs/cgroup/system.slice/cpu.max': '150000 100000' };
  const inner = { 'sys/fs/cgroup/system.slice/job/cpu.max': '400000 100000' };
  t.is(quotaWith({ ...group, ...outer, ...inner }), 1.5);
  t.is(quotaWith({ ...group, ...inner }), 4);
  t.is(quotaWith({ 'proc/self/cgroup': '0::/', ...outer, ...inner }), Infinity);
});

test('the first version has two files, in a folder named by its controllers', (t) => {
  const folder = 'sys/fs/cgroup/cpu,cpuacct';
  const limits = { [`${folder}/cpu.cfs_quota_us`]: '50000', [`${folder}/cpu.cfs_period_us`]: '25000' };
  t.is(quotaWith({ 'proc/self/cgroup': '5:memory:/a\n4:cpu,cpuacct:/outside/this/container\n0::/', ...limits }), 2);
});

test('at least one processor is there, and no more than the process may run on', (t) => {
  t.true(availableProcessors() >= 1 && availableProcessors() <= availableParallelism());
});
