// Reads Slack messages, one JSON array of blocks a line, and holds each to the
// types that Slack publishes (@slack/types) and to the limits that their comments
// state. Prints one JSON array of faults a line.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const schema = createGenerator({
  path: 'node_modules/@slack/types/dist/index.d.ts',
  type: 'KnownBlock',
  skipTypeCheck: true,
}).createSchema('KnownBlock');

// The comments say "Maximum length for the text in this field is 150 characters",
// "maximum length is 3000 characters", "Maximum number of items is 10".
const LENGTH = /maximum length (?:for [^.]*? )?is (\d+) characters/i;
const ITEMS = /maximum (?:number of|of) (?:items (?:is )?)?(\d+)/i;
let limits = 0;
function limit(node) {
  if (node === null || typeof node !== 'object') return;
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const say = property.description ?? '';
    const length = say.match(LENGTH);
    const items = say.match(ITEMS) ?? (property.type === 'array' && say.match(/maximum[^.]*? (\d+)/i));
    if (length && property.type === 'string') property.maxLength = Number(length[1]);
    else if (length && property.$ref) property.allOf = [{ properties: { text: { maxLength: Number(length[1]) } } }];
    if (name === 'text' && property.type === 'string' && /minimum length is 1/i.test(say)) property.minLength = 1;
    if (items && property.type === 'array') property.maxItems = Number(items[1]);
    limits += 'maxLength' in property || 'maxItems' in property || 'allOf' in property ? 1 : 0;
  }
  Object.values(node).forEach(limit);
}
limit(schema.definitions);

const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(schema, 'slack');
const of = {}; // by type: the errors of a union of all blocks would fill pages
for (const [name, definition] of Object.entries(schema.definitions)) {
  const type = definition.properties?.type?.const;
  if (type && name.endsWith('Block')) of[type] = ajv.compile({ $ref: `slack#/definitions/${name}` });
}

console.error(`${Object.keys(of).length} kinds of block, ${limits} limits`);
for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const blocks = JSON.parse(line);
  const faults = blocks.length > 50 ? ['more than 50 blocks'] : [];
  blocks.forEach((block, i) => {
    const check = of[block.type];
    if (!check) faults.push(`/${i}: no block is of type ${block.type}`);
    else if (!check(block)) faults.push(...check.errors.map((e) => `/${i}${e.instancePath}: ${e.message}`));
  });
  console.log(JSON.stringify(faults));
}
