/**
 * @jax-js/jax with its WebAssembly backend: each case is compiled with `jit`, and its result awaited. On Node it runs on one thread,
 * because it asks for a browser's Worker.
 */
import type { Case, InputValues } from '../case.js';
import { type Contender, fingerprint, type Prepared, timeAwaited } from './contender.js';
import type { JaxArray, JaxLibrary } from './jax-types.js';
import { peerModule, peerVersion } from './packages.js';

export async function openJax(): Promise<Contender> {
  // It looks for WebGPU in `navigator`, which Node has from version 21 on.
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: {} });
  const jax: JaxLibrary = await import(peerModule('@jax-js/jax'));
  if (!(await jax.init('wasm')).includes('wasm')) throw new Error('its WebAssembly backend does not start');
  jax.defaultDevice('wasm');
  return {
    name: 'jax',
    description: `@jax-js/jax ${peerVersion('@jax-js/jax')}, jit, WebAssembly, 1 thread (all that it has on Node)`,
    prepare: async (benchCase, inputs) => prepare(jax, benchCase, inputs),
    close: async () => {},
  };
}

function prepare(jax: JaxLibrary, benchCase: Case, inputs: Readonly<Record<string, InputValues>>): Prepared | null {
  const { jax: compute } = benchCase;
  if (compute === undefined || Object.values(inputs).some(({ dtype }) => dtype === 'bfloat16')) return null;
  const names = Object.keys(inputs);
  const arrays = Object.values(inputs).map(({ values, shape, dtype }) => jax.numpy.array(values, { shape, dtype }));
  const compiled = jax.jit((...given) => compute(jax, Object.fromEntries(names.map((name, index) => [name, given[index]!]))));
  const call = async (): Promise<JaxArray> => {
    const result = compiled(...arrays.map((array) => array.ref));
    return result.blockUntilReady();
  };
  return {
    async result() {
      const values = await (await call()).data();
      return benchCase.unchecked ? null : fingerprint(values);
    },
    time: (calls) => timeAwaited(async () => (await call()).dispose(), calls),
    async release() {
      for (const array of arrays) array.dispose();
    },
  };
}
