/**
 * The Markdown of the pages as HTML: CommonMark with tables and HTML, and besides
 *
 * - a fence `math` and `$...$` are formulas, set by KaTeX now, so that readers load no script for them;
 * - fences `output` and `error` are what a program printed;
 * - links to `.md` files lead to the pages made of them, and pictures that are SVG stand in the page, where its style reaches them;
 * - `<!-- kernels NAME -->` is the panel of an op's kernels, `<!-- wide -->` lets the next table use the whole width.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import json from 'highlight.js/lib/languages/json';
import typescript from 'highlight.js/lib/languages/typescript';
import yaml from 'highlight.js/lib/languages/yaml';
import katex from 'katex';
import MarkdownIt from 'markdown-it';
import { escapeHtml } from './html.js';

for (const [name, language] of Object.entries({ bash, cpp, json, typescript, yaml })) hljs.registerLanguage(name, language);
const languages = { ts: 'typescript', js: 'typescript', sh: 'bash', yaml: 'yaml', json: 'json', cpp: 'cpp', c: 'cpp' };

export function makeMarkdown(panels) {
  const markdown = new MarkdownIt({ html: true, linkify: false });
  const { rules } = markdown.renderer;
  rules.fence = fence;
  rules.code_block = (tokens, index) => codeBlock('text', tokens[index].content);
  rules.table_open = () => '<div class="table"><table>';
  rules.table_close = () => '</table></div>';
  rules.heading_open = (tokens, index) => {
    const { tag } = tokens[index];
    const id = slug(tokens[index + 1].content);
    return tag === 'h1' ? '<h1>' : `<${tag} id="${id}"><a class="anchor" href="#${id}" aria-hidden="true" tabindex="-1">#</a>`;
  };
  rules.image = (tokens, index, _options, env) => picture(tokens[index], env, markdown);
  rules.html_block = (tokens, index) => directive(tokens[index].content, panels);
  const link = rules.link_open ?? ((tokens, index, options, _env, self) => self.renderToken(tokens, index, options));
  rules.link_open = (tokens, index, ...rest) => {
    const token = tokens[index];
    token.attrSet('href', token.attrGet('href').replace(/^(?!\w+:)([^#]*)\.md(?=#|$)/, '$1.html'));
    return link(tokens, index, ...rest);
  };
  markdown.inline.ruler.after('escape', 'math', inlineMath);
  rules.math_inline = (tokens, index) => formula(tokens[index].content, false);
  return markdown;
}

/** As GitHub does it. */
export function slug(text) {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_.-]/gu, '')
    .trim()
    .replace(/\s+/g, '-');
}

function fence(tokens, index) {
  const { info, content } = tokens[index];
  const [language = 'text'] = info.split(' ');
  return language === 'math' ? `<div class="formula">${formula(content, true)}</div>` : codeBlock(language, content);
}

function formula(text, displayMode) {
  return katex.renderToString(text, { displayMode, throwOnError: true, strict: 'error' });
}

const printed = { output: 'Output', error: 'Error' };

function codeBlock(language, text) {
  const known = languages[language];
  const html = known === undefined ? escapeHtml(text) : hljs.highlight(text, { language: known }).value;
  const label = printed[language] === undefined ? '' : `<span class="label">${printed[language]}</span>`;
  return `<div class="code ${language}" tabindex="-1">${label}<pre tabindex="0"><code>${html}</code></pre></div>\n`;
}

function picture(token, { page }, markdown) {
  const source = token.attrGet('src');
  if (!source.endsWith('.svg')) return markdown.renderer.renderToken([token], 0, {});
  const svg = readFileSync(join(dirname(page.inputPath), source), 'utf8');
  return `<figure>${svg.replace(/<style>[\s\S]*?<\/style>/, '')}</figure>`;
}

function directive(html, panels) {
  const [, what, name] = /^<!-- (\w+)(?: (\S+))? -->\s*$/.exec(html) ?? [];
  if (what === 'kernels') return panels.html(name);
  return what === 'wide' ? '<div class="wide"></div>' : html;
}

/** `$x$`, where a dollar sign stands neither before a digit nor after a space. */
function inlineMath(state, silent) {
  const match = /^\$(?![\s\d])((?:[^$\\\n]|\\.)+?)(?<!\s)\$(?!\d)/.exec(state.src.slice(state.pos));
  if (match === null) return false;
  if (!silent) state.push('math_inline', '', 0).content = match[1];
  state.pos += match[0].length;
  return true;
}
