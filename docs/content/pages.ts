/** Every page of the documentation. */
import type { OpCase } from '../../test/matrix/cases.js';
import { loadCases, shards } from '../../test/matrix/cases.js';
import { readApi } from './api.js';
import { apiPages } from './api-page.js';
import { guidePages } from './guides.js';
import { loadLibrary } from './library.js';
import { opPage } from './op-page.js';
import type { Page } from './page.js';
import { referencePages } from './reference-pages.js';

export async function allPages(): Promise<readonly Page[]> {
  const library = await loadLibrary();
  const cases = new Map(
    Array.from({ length: shards }, (_, shard) => loadCases(shard))
      .flat()
      .map((one) => [one.op, one]),
  );
  const caseOf = (name: string): OpCase => {
    const found = cases.get(name);
    if (found === undefined) throw new Error(`generated/tests has no ${name}: run npm run generate`);
    return found;
  };
  const api = readApi();
  return [
    ...(await guidePages(library, api)),
    ...library.ops.map((one) => opPage(library, one, caseOf(one.op.name))),
    ...(await apiPages(library, api)),
    ...referencePages(library, api),
  ];
}
