/**
 * The panels that show an op's kernels: a tab for each language, for the dtype that the reader chooses. The page has the texts of the first
 * dtype; a script beside it, loaded when another is chosen, has the others.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import wabtFactory from 'wabt';
import { escapeHtml } from './html.js';

const languages = { cuda: 'CUDA C++', c: 'C', wasm: 'WebAssembly' };

export async function kernelPanels(pages) {
  const wabt = await wabtFactory();
  const features = {
    simd: true,
    threads: true,
    relaxed_simd: true,
    sign_extension: true,
    bulk_memory: true,
    sat_float_to_int: true,
  };

  function textOf(module) {
    const parsed = wabt.readWasm(Uint8Array.from(Buffer.from(module, 'base64')), { ...features, readDebugNames: true });
    try {
      parsed.applyNames();
      return parsed.toText({ foldExprs: true, inlineExport: true }).trimEnd();
    } finally {
      parsed.destroy();
    }
  }

  /** By dtype, the text of each language. */
  function textsOf(name) {
    const { texts } = JSON.parse(readFileSync(join(pages, 'ops', `${name}.kernels.json`), 'utf8'));
    return Object.fromEntries(texts.map(({ dtype, cuda, c, wasm }) => [dtype, { cuda, c, wasm: wasm.map(textOf).join('\n\n') }]));
  }

  return {
    html(name) {
      const texts = textsOf(name);
      const [[first, shown]] = Object.entries(texts);
      const options = Object.keys(texts).map((dtype) => `<option>${dtype}</option>`);
      const tabs = Object.entries(languages).map(([language, title], index) => {
        const chosen = index === 0;
        const state = `aria-selected="${chosen}"${chosen ? '' : ' tabindex="-1"'}`;
        return `<button role="tab" id="tab-${language}" aria-controls="panel-${language}" ${state}>${title}</button>`;
      });
      const panels = Object.keys(languages).map(
        (language, index) =>
          `<div role="tabpanel" id="panel-${language}" aria-labelledby="tab-${language}"${index === 0 ? '' : ' hidden'}>` +
          `<pre tabindex="0"><code data-language="${language}">${escapeHtml(shown[language])}</code></pre></div>`,
      );
      return [
        `<div class="kernels" data-op="${name}">`,
        `<div class="bar"><div role="tablist" aria-label="Language">${tabs.join('')}</div>`,
        `<label>dtype <select autocomplete="off">${options.join('')}</select></label></div>`,
        ...panels,
        `<noscript><p>Shown is ${first}.</p></noscript>`,
        '</div>',
      ].join('');
    },

    /** The scripts beside the pages, by path. */
    *scripts() {
      const names = readdirSync(join(pages, 'ops')).filter((file) => file.endsWith('.kernels.json'));
      for (const file of names) {
        const name = file.replace('.kernels.json', '');
        const texts = textsOf(name);
        if (Object.keys(texts).length > 1)
          yield [join('ops', `${name}.kernels.js`), `opwrightKernels(${JSON.stringify(texts)});\n`];
      }
    },
  };
}
