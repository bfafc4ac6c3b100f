/** The bounded map of plans: what is used stays, what is not goes and is freed, once. */
import test from 'ava';
import { PlanCache } from '../runtime/plan-cache.js';

class Entry {
  freed = 0;
  free(): void {
    this.freed++;
  }
}

function filled(capacity: number, count: number): { cache: PlanCache<Entry>; entries: Entry[] } {
  const cache = new PlanCache<Entry>(capacity);
  const entries = Array.from({ length: count }, () => new Entry());
  entries.forEach((entry, key) => {
    cache.set(String(key), entry);
  });
  return { cache, entries };
}

test('at most twice the capacity is kept, and what is forgotten is freed', (t) => {
  const { cache, entries } = filled(4, 100);
  const kept = entries.filter((entry, key) => cache.get(String(key)) === entry);
  t.true(kept.length >= 4 && kept.length <= 8, `${kept.length} are kept`);
  for (const entry of entries) t.is(entry.freed, kept.includes(entry) ? 0 : 1);
});

test('an entry that is used again and again outlives any number of others', (t) => {
  const cache = new PlanCache<Entry>(4);
  const used = new Entry();
  cache.set('used', used);
  for (let key = 0; key < 100; key++) {
    cache.set(String(key), new Entry());
    t.is(cache.get('used'), used);
  }
  t.is(used.freed, 0);
});

test('an entry that was used and then is not goes as others do, and is freed once', (t) => {
  const { cache } = filled(4, 4);
  const used = new Entry();
  cache.set('used', used);
  for (let key = 10; key < 14; key++) cache.set(String(key), new Entry());
  t.is(cache.get('used'), used);
  for (let key = 20; key < 60; key++) cache.set(String(key), new Entry());
  t.is(cache.get('used'), undefined);
  t.is(used.freed, 1);
});
