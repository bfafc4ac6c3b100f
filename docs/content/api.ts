/**
 * What is public and written by hand, read from the sources: each class and function that an entry point exports, with its TSDoc. What the
 * spec says of it (summary, names, example) goes before what its comment says.
 */
import {
  type ClassDeclaration,
  type ConstructorDeclaration,
  type ExportedDeclarations,
  type FunctionDeclaration,
  type GetAccessorDeclaration,
  type InterfaceDeclaration,
  type JSDocableNode,
  type MethodDeclaration,
  Node,
  Project,
  type PropertyDeclaration,
  Scope,
  type SourceFile,
  type TypeAliasDeclaration,
} from 'ts-morph';

export interface ApiItem {
  readonly name: string;
  /** The name of its page: some file systems take `Tensor` and `tensor` for one name. */
  readonly page: string;
  readonly kind: 'class' | 'function' | 'value' | 'type';
  /** `opwright/nn`. */
  readonly entry: string;
  /** What the file that it stands in is about, for grouping: `layers/convolution`. */
  readonly file: string;
  readonly line: number;
  /** The first sentence of its comment, and the rest. */
  readonly summary: string;
  readonly doc: string;
  readonly example: string | undefined;
  readonly signature: string;
  readonly members: readonly ApiMember[];
  /** The class that it extends, where that is public too. */
  readonly base: string | undefined;
}

export interface ApiMember {
  readonly name: string;
  readonly signature: string;
  readonly doc: string;
}

/** Everything that the entry points export, but for what is generated. */
export function readApi(): readonly ApiItem[] {
  const project = new Project({ tsConfigFilePath: 'tsconfig.json', skipAddingFilesFromTsConfig: true });
  const entries = ['index', 'nn', 'optimizer', 'io'].map((name) => project.addSourceFileAtPath(`entry/${name}.ts`));
  project.resolveSourceFileDependencies();
  return entries.flatMap((entry) => {
    const items = itemsOf(entry);
    const isTaken = ({ name }: ApiItem): boolean =>
      items.some((other) => other.name !== name && other.name.toLowerCase() === name.toLowerCase());
    return items.map((item) => (item.kind === 'class' && isTaken(item) ? { ...item, page: `${item.name}-class` } : item));
  });
}

function itemsOf(entry: SourceFile): readonly ApiItem[] {
  const base = entry.getBaseNameWithoutExtension();
  const entryName = base === 'index' ? 'opwright' : `opwright/${base}`;
  const exported = entry.getExportedDeclarations();
  const items = [...exported].flatMap(([name, [declaration]]) => {
    if (isAlias(name, declaration, exported)) return [];
    if (declaration === undefined || pathOf(declaration.getSourceFile()).startsWith('generated/')) return [];
    return itemOf(name, entryName, declaration) ?? [];
  });
  return items.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
}

/** Another name of something that is exported under its own. */
function isAlias(name: string, declaration: ExportedDeclarations | undefined, exported: ReadonlyMap<string, unknown>): boolean {
  const own = declaration?.getSymbol()?.getName();
  return own !== undefined && own !== name && exported.has(own);
}

function itemOf(name: string, entry: string, declaration: ExportedDeclarations): ApiItem | undefined {
  const place = { name, page: name, entry, file: pathOf(declaration.getSourceFile()), line: declaration.getStartLineNumber() };
  if (Node.isClassDeclaration(declaration))
    return { ...place, ...commentOf(declaration), kind: 'class', ...classOf(name, declaration) };
  if (Node.isFunctionDeclaration(declaration)) {
    const overloads = declaration.getOverloads();
    const signatures = (overloads.length === 0 ? [declaration] : overloads).map((one) => functionSignature(name, one));
    const comments = [...overloads, declaration].map(commentOf);
    const comment = comments.find(({ summary }) => summary !== '') ?? commentOf(declaration);
    return { ...place, ...comment, kind: 'function', signature: signatures.join('\n'), members: [], base: undefined };
  }
  if (Node.isInterfaceDeclaration(declaration) || Node.isTypeAliasDeclaration(declaration))
    return {
      ...place,
      ...commentOf(declaration),
      kind: 'type',
      signature: typeText(declaration),
      members: propertiesOf(declaration),
      base: undefined,
    };
  if (Node.isVariableDeclaration(declaration)) {
    const statement = declaration.getVariableStatement();
    if (statement === undefined) return undefined;
    return { ...place, ...commentOf(statement), kind: 'value', signature: `const ${name}`, members: [], base: undefined };
  }
  if (Node.isSourceFile(declaration)) {
    const members = [...declaration.getExportedDeclarations()].flatMap(([member, [one]]) => {
      const item = one === undefined ? undefined : itemOf(member, entry, one);
      return item === undefined || item.kind === 'type'
        ? []
        : [{ name: member, signature: item.signature, doc: [item.summary, item.doc].join(' ').trim() }];
    });
    const [comment = ''] = declaration
      .getStatementsWithComments()
      .filter(Node.isCommentStatement)
      .map((one) => one.getText());
    return {
      ...place,
      ...split(unwrap(comment)),
      example: undefined,
      kind: 'value',
      signature: `namespace ${name}`,
      members,
      base: undefined,
    };
  }
  return undefined;
}

// ---- Classes

function classOf(name: string, declaration: ClassDeclaration): Pick<ApiItem, 'signature' | 'members' | 'base'> {
  const [maker] = declaration.getConstructors();
  const base = declaration.getBaseClass()?.getName();
  const heading = maker === undefined ? `class ${name}` : `new ${name}(${parametersText(maker)})`;
  const members = [
    ...(maker === undefined ? [] : parameterProperties(maker)),
    ...declaration.getInstanceMembers().filter(Node.isPropertyDeclaration).filter(isPublic).map(propertyMember),
    ...declaration.getInstanceMembers().filter(Node.isGetAccessorDeclaration).filter(isPublic).map(propertyMember),
    ...declaration.getInstanceMethods().filter(isPublic).map(methodMember),
    ...declaration.getStaticMethods().filter(isPublic).map(methodMember),
  ];
  const thrown =
    maker === undefined ? [] : [{ name: 'constructor', signature: heading, doc: docText(maker) }].filter(({ doc }) => doc !== '');
  return { signature: `${heading}${base === undefined ? '' : ` extends ${base}`}`, members: [...thrown, ...members], base };
}

function isPublic(member: PropertyDeclaration | GetAccessorDeclaration | MethodDeclaration): boolean {
  const name = member.getName();
  return (
    member.getScope() === Scope.Public && !name.startsWith('#') && !name.startsWith('[') && !docText(member).includes('@internal')
  );
}

function parameterProperties(maker: ConstructorDeclaration): readonly ApiMember[] {
  return maker
    .getParameters()
    .filter(
      (parameter) =>
        parameter.isParameterProperty() && parameter.getScope() !== Scope.Private && parameter.getScope() !== Scope.Protected,
    )
    .map((parameter) => ({
      name: parameter.getName(),
      signature: `${parameter.getName()}: ${shortType(parameter.getTypeNode()?.getText() ?? parameter.getType().getText(parameter))}`,
      doc: '',
    }));
}

function propertyMember(member: PropertyDeclaration | GetAccessorDeclaration): ApiMember {
  const type = Node.isPropertyDeclaration(member) ? member.getTypeNode() : member.getReturnTypeNode();
  return {
    name: member.getName(),
    signature: `${member.getName()}: ${shortType(type?.getText() ?? member.getType().getText(member))}`,
    doc: docText(member),
  };
}

function methodMember(member: MethodDeclaration): ApiMember {
  const overloads = member.getOverloads();
  const [first = member] = overloads;
  return { name: member.getName(), signature: functionSignature(member.getName(), first), doc: docText(first) };
}

function functionSignature(name: string, declaration: FunctionDeclaration | MethodDeclaration): string {
  const generics = declaration
    .getTypeParameters()
    .map((one) => one.getText())
    .join(', ');
  const returns = declaration.getReturnTypeNode()?.getText() ?? shortType(declaration.getReturnType().getText(declaration));
  return `${name}${generics === '' ? '' : `<${generics}>`}(${parametersText(declaration)}): ${returns}`;
}

function parametersText(declaration: FunctionDeclaration | MethodDeclaration | ConstructorDeclaration): string {
  return declaration
    .getParameters()
    .map((parameter) => {
      const type = parameter.getTypeNode()?.getText() ?? shortType(parameter.getType().getText(parameter));
      const rest = parameter.isRestParameter() ? '...' : '';
      return `${rest}${parameter.getName()}${parameter.isOptional() && rest === '' ? '?' : ''}: ${type}`;
    })
    .join(', ');
}

function propertiesOf(declaration: InterfaceDeclaration | TypeAliasDeclaration): readonly ApiMember[] {
  if (!Node.isInterfaceDeclaration(declaration)) return [];
  return declaration.getProperties().map((property) => ({
    name: property.getName(),
    signature: `${property.getName()}${property.hasQuestionToken() ? '?' : ''}: ${property.getTypeNode()?.getText() ?? 'unknown'}`,
    doc: docText(property),
  }));
}

function typeText(declaration: InterfaceDeclaration | TypeAliasDeclaration): string {
  if (Node.isTypeAliasDeclaration(declaration))
    return `type ${declaration.getName()} = ${declaration.getTypeNode()?.getText() ?? ''}`;
  const bases = declaration.getExtends().map((one) => one.getText());
  return `interface ${declaration.getName()}${bases.length === 0 ? '' : ` extends ${bases.join(', ')}`}`;
}

/** Types that the compiler writes with the path of their file. */
const shortType = (text: string): string => text.replace(/import\("[^"]*"\)\./g, '');

// ---- Comments

function commentOf(node: JSDocableNode): Pick<ApiItem, 'summary' | 'doc' | 'example'> {
  const [comment] = node.getJsDocs().slice(-1);
  const tag = comment?.getTags().find((one) => one.getTagName() === 'example');
  const example = tag?.getCommentText()?.replace(/^```\w*\n|\n```$/g, '');
  return { ...split(descriptionOf(node)), example };
}

function docText(node: JSDocableNode): string {
  return descriptionOf(node);
}

function descriptionOf(node: JSDocableNode): string {
  const [comment] = node.getJsDocs().slice(-1);
  return comment === undefined ? '' : reflow(comment.getDescription());
}

/** The first sentence, and what follows it. */
function split(text: string): { readonly summary: string; readonly doc: string } {
  const match = /^[\s\S]*?[.:](?=\s+[A-Z`(]|\s*\n\n|\s*$)/.exec(text);
  if (match === null) return { summary: text, doc: '' };
  const summary = match[0].replace(/\s+/g, ' ').replace(/:$/, '.');
  return { summary, doc: text.slice(match[0].length).trim() };
}

/** Lines of a paragraph joined; examples that stand indented, as code. */
function reflow(text: string): string {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((part) =>
      /^ {4}/.test(part) ? `\`\`\`ts\n${part.replace(/^ {4}/gm, '')}\n\`\`\`` : part.replace(/\n(?!\s*[-*|])/g, ' '),
    )
    .join('\n\n')
    .replace(/\{@link (\w+)\}/g, '`$1`');
}

const unwrap = (comment: string): string => reflow(comment.replace(/^\/\*\*\s?|\s*\*\/$/g, '').replace(/^ ?\* ?/gm, ''));

function pathOf(file: SourceFile): string {
  const path = file.getFilePath();
  const root = `${process.cwd().replaceAll('\\', '/')}/`;
  return path.startsWith(root) ? path.slice(root.length) : path;
}
