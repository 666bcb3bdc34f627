// Holds Slack messages and views to the types that Slack publishes (@slack/types)
// and to the limits that their comments state.
//
// "node blocks.mjs schema" prints the schema of what tocsin may send, without the
// comments, one definition a line. "node blocks.mjs" reads values, one a line, as
// {"is": "message" | "modal" | "home" | "metadata", "value": …}, and prints one JSON
// array of faults for each.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const generator = createGenerator({ path: 'node_modules/@slack/types/dist/index.d.ts', type: '*', skipTypeCheck: true });
const definitions = {};
for (const type of ['View', 'MessageMetadata']) Object.assign(definitions, generator.createSchema(type).definitions);

// A message may hold more kinds of block; these are the ones that tocsin sends. "Block"
// is any object with a type: it would let everything through.
const kinds = ['HeaderBlock', 'SectionBlock', 'ContextBlock', 'ActionsBlock', 'DividerBlock', 'InputBlock'];
definitions.AnyBlock = { anyOf: kinds.map((kind) => ({ $ref: `#/definitions/${kind}` })) };
definitions.Message = { type: 'array', items: { $ref: '#/definitions/AnyBlock' }, maxItems: 50 };

// The comments say "Maximum length for the text in this field is 150 characters",
// "maximum length of 24 characters", "Maximum number of items is 10", "Max of 100 blocks".
const LENGTH = /max(?:imum)? length [^.]*?(\d+) characters/i;
const SHORTEST = /minimum length [^.]*?is 1\b/i;
const ITEMS = /max(?:imum)?(?: number)? of (?:[a-z ]+ is )?(\d+)/i;
let limits = 0;

function bound(property, bounds) {
  if (property.type === 'string') Object.assign(property, bounds);
  else if (property.type === 'array') bound(property.items, bounds);
  else property.allOf = [{ properties: { text: bounds } }];
  limits++;
}

function limit(node) {
  if (node === null || typeof node !== 'object') return;
  for (const property of Object.values(node.properties ?? {})) {
    const say = (property.description ?? '').replace(/\s+/g, ' ');
    const [length, items] = [say.match(LENGTH), say.match(ITEMS)];
    if (length) bound(property, { maxLength: Number(length[1]), ...(SHORTEST.test(say) && { minLength: 1 }) });
    if (items && property.type === 'array') {
      property.maxItems = Number(items[1]);
      limits++;
    }
  }
  Object.values(node).forEach(limit);
}

function strip(node) {
  if (node === null || typeof node !== 'object') return node;
  if (Array.isArray(node)) return node.map(strip);
  const out = {};
  for (const key of Object.keys(node).sort()) {
    const isProperties = key === 'properties';
    if (typeof node[key] === 'string' && ['description', 'deprecated', 'default'].includes(key)) continue;
    if (key === 'deprecated' && typeof node[key] === 'boolean') continue;
    out[key] = strip(node[key]);
  }
  return out;
}

const roots = { message: 'Message', modal: 'ModalView', home: 'HomeView', metadata: 'MessageMetadata' };
const used = {};
function reach(name) {
  if (used[name]) return;
  used[name] = definitions[name];
  for (const [, next] of JSON.stringify(definitions[name]).matchAll(/"#\/definitions\/(\w+)"/g)) reach(next);
}
Object.values(roots).forEach(reach);
limit(used);
const schema = { definitions: Object.fromEntries(Object.keys(used).sort().map((name) => [name, strip(used[name])])) };

if (process.argv[2] === 'schema') {
  const lines = Object.entries(schema.definitions).map(([name, definition]) => `${JSON.stringify(name)}:${JSON.stringify(definition)}`);
  console.log(`{"definitions":{\n${lines.join(',\n')}\n}}`);
  console.error(`${lines.length} definitions, ${limits} limits`);
} else {
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema(schema, 'slack');
  const is = Object.fromEntries(Object.entries(roots).map(([kind, name]) => [kind, ajv.compile({ $ref: `slack#/definitions/${name}` })]));
  const judge = ({ is: kind, value }) => (is[kind](value) ? [] : is[kind].errors.map((e) => `${e.instancePath}: ${e.message}`));
  for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) console.log(JSON.stringify(judge(JSON.parse(line)).slice(0, 20)));
}
