'use strict';
/*
 * Checks Terraform modules without Terraform: HashiCorp's parser (npm @cdktf/hcl2json), and extracts of the
 * provider's schema in two versions (schema-5.json, schema-6.json); what one of them does not know is a fault. Finds syntax errors; unknown and missing arguments, in nested and dynamic blocks too; references to
 * what is not declared; inputs that a module lacks or does not know; names in ignore_changes that do not exist; what is
 * declared and not used; and what this project forbids: anything of Application Auto Scaling. Not found: wrong values, types,
 * function calls, cycles. For those there is Terraform itself.
 *
 *     node tfcheck.js DIR...            one line a fault; exit code 1 when there is one, 0 when there is none
 *     node tfcheck.js --tables DIR      the tables of inputs and outputs for its README
 */
const fs = require('fs');
const path = require('path');
const { parse } = require('@cdktf/hcl2json');

const SCHEMAS = ['schema-5.json', 'schema-6.json'].map((name) => JSON.parse(fs.readFileSync(path.join(__dirname, name), 'utf8')));
const META = {
  resource: ['count', 'for_each', 'depends_on', 'lifecycle', 'provider', 'provisioner', 'connection', 'dynamic'],
  data: ['count', 'for_each', 'depends_on', 'lifecycle', 'provider', 'dynamic'],
  module: ['source', 'version', 'count', 'for_each', 'depends_on', 'providers'],
};
const LIFECYCLE = ['create_before_destroy', 'prevent_destroy', 'ignore_changes', 'replace_triggered_by', 'precondition', 'postcondition'];
const TOP = ['terraform', 'provider', 'variable', 'locals', 'resource', 'data', 'module', 'output', 'check', 'moved', 'import'];
const FORBIDDEN = /^aws_appautoscaling_/;

const list = (value) => (Array.isArray(value) ? value : [value]);
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

// ---- expressions ----

/* Splits a template into the code of its ${ } and %{ }, strings in it emptied; strings are templates of their own. */
function codeOf(template) {
  const codes = [];
  let at = 0;
  const readString = () => { // at is behind the opening quote
    const begin = at;
    while (at < template.length && template[at] !== '"') {
      if (template[at] === '\\') at += 2;
      else if ((template[at] === '$' || template[at] === '%') && template[at + 1] === '{') readCode();
      else at++;
    }
    at++;
    return begin;
  };
  const readCode = () => { // at is on ${ or %{
    let depth = 0;
    let code = '';
    at += 2;
    while (at < template.length && !(depth === 0 && template[at] === '}')) {
      const char = template[at];
      if (char === '"') {
        at++;
        readString();
        code += '""';
        continue;
      }
      if (char === '{') depth++;
      if (char === '}') depth--;
      code += char;
      at++;
    }
    at++;
    codes.push(code);
  };
  while (at < template.length) {
    if ((template[at] === '$' || template[at] === '%') && template[at + 1] === '{') readCode();
    else at++;
  }
  return codes;
}

/* References as lists of names: var.a -> [var, a]; aws_x.y[each.key].arn -> [aws_x, y, arn]; after a splat nothing is said. */
function referencesOf(template) {
  const found = [];
  for (const code of codeOf(template)) {
    const roots = /(?<![\w.\]"-])(var|local|module|data|each|count|aws_\w+)(?=\s*[.])/g;
    for (let match = roots.exec(code); match !== null; match = roots.exec(code)) {
      const names = [match[1]];
      let rest = code.slice(match.index + match[1].length);
      for (;;) {
        const name = /^\s*\.\s*([A-Za-z_][\w-]*)/.exec(rest);
        if (name) {
          names.push(name[1]);
          rest = rest.slice(name[0].length);
        } else if (rest[0] === '[') {
          let depth = 0;
          let end = 0;
          do {
            if (rest[end] === '[') depth++;
            if (rest[end] === ']') depth--;
            end++;
          } while (depth > 0 && end < rest.length);
          rest = rest.slice(end);
        } else break;
      }
      found.push(names);
    }
  }
  return found;
}

function eachString(value, fn) {
  if (typeof value === 'string') fn(value);
  else if (Array.isArray(value)) value.forEach((one) => eachString(one, fn));
  else if (isObject(value)) {
    for (const [key, one] of Object.entries(value)) {
      fn(key);
      eachString(one, fn);
    }
  }
}

// ---- reading ----

async function readModule(folder, say) {
  const module = { folder, variable: {}, local: {}, output: {}, resource: {}, data: {}, module: {}, terraform: [], provider: [], other: [] };
  const declare = (kind, name, body, file) => {
    if (module[kind][name]) say(file, `${kind} ${name} is declared twice`);
    module[kind][name] = { ...list(body)[0], '#file': file };
  };
  for (const name of fs.readdirSync(folder).filter((one) => one.endsWith('.tf')).sort()) {
    const file = path.join(folder, name);
    let json;
    try {
      json = await parse(name, fs.readFileSync(file, 'utf8'));
    } catch (error) {
      say(file, `syntax: ${String(error.message || error).replace(/\s+/g, ' ')}`);
      continue;
    }
    for (const kind of Object.keys(json)) if (!TOP.includes(kind)) say(file, `unknown block ${kind}`);
    for (const kind of ['variable', 'output', 'module']) {
      for (const [one, bodies] of Object.entries(json[kind] || {})) list(bodies).forEach((body) => declare(kind, one, body, file));
    }
    for (const kind of ['resource', 'data']) {
      for (const [type, names] of Object.entries(json[kind] || {})) {
        for (const [one, bodies] of Object.entries(names)) list(bodies).forEach((body) => declare(kind, `${type}.${one}`, body, file));
      }
    }
    for (const body of list(json.locals || [])) {
      for (const [one, value] of Object.entries(body)) declare('local', one, { value }, file);
    }
    list(json.terraform || []).forEach((body) => module.terraform.push(body));
    Object.values(json.provider || {}).forEach((bodies) => module.provider.push(...list(bodies)));
    module.other.push([file, json.check, json.import]);
  }
  return module;
}

// ---- blocks against the schema ----

function checkBlock(body, schema, meta, where, say) {
  const has = new Set();
  for (const [name, value] of Object.entries(body)) {
    if (name.startsWith('#') || meta.includes(name)) continue;
    has.add(name);
    if (name in schema.blocks) {
      for (const one of list(value)) {
        if (isObject(one)) checkBlock(one, schema.blocks[name], ['dynamic'], `${where}.${name}`, say);
        else say(`${where}: ${name} is a block, not an argument`);
      }
    } else if (!(name in schema.attributes)) say(`${where}: unknown argument ${name}`);
    else if (schema.attributes[name] === 'c') say(`${where}: ${name} is told by AWS and cannot be set`);
  }
  for (const [name, bodies] of Object.entries(body.dynamic || {})) {
    has.add(name);
    if (!(name in schema.blocks)) {
      say(`${where}: unknown block ${name}`);
      continue;
    }
    for (const one of list(bodies)) {
      if (!('for_each' in one)) say(`${where}: dynamic ${name} has no for_each`);
      for (const key of Object.keys(one)) {
        if (!['for_each', 'iterator', 'labels', 'content'].includes(key)) say(`${where}: dynamic ${name}: unknown argument ${key}`);
      }
      if (!one.content) say(`${where}: dynamic ${name} has no content`);
      else checkBlock(list(one.content)[0], schema.blocks[name], ['dynamic'], `${where}.${name}`, say);
    }
  }
  for (const [name, kind] of Object.entries(schema.attributes)) {
    if (kind === 'r' && !has.has(name)) say(`${where}: missing argument ${name}`);
  }
  for (const [name, block] of Object.entries(schema.blocks)) {
    if (block.min > 0 && !has.has(name)) say(`${where}: missing block ${name}`);
  }
}

function checkLifecycle(body, schema, where, say) {
  for (const lifecycle of list(body.lifecycle || [])) {
    for (const key of Object.keys(lifecycle)) if (!LIFECYCLE.includes(key)) say(`${where}: lifecycle: unknown argument ${key}`);
    for (const ignored of list(lifecycle.ignore_changes || [])) {
      const name = ignored.replace(/^\$\{|\}$/g, '').split(/[.[]/)[0];
      if (name !== 'all' && !(name in schema.attributes) && !(name in schema.blocks)) say(`${where}: ignore_changes: unknown argument ${name}`);
    }
  }
}

// ---- one module ----

function checkReferences(module, children, say) {
  const used = new Set();
  const one = (file, where, body, inEach) => eachString(body, (text) => {
    for (const [root, name, ...rest] of referencesOf(text)) {
      if (root === 'each' || root === 'count') {
        const wanted = root === 'each' ? 'for_each' : 'count';
        if (inEach !== wanted) say(file, `${where}: ${root}.${name} without ${wanted}`);
      } else if (root === 'var' || root === 'local') {
        if (where !== `variable ${name}`) used.add(`${root}.${name}`);
        if (!module[root === 'var' ? 'variable' : 'local'][name]) say(file, `${where}: ${root}.${name} is not declared`);
      } else if (root === 'module') {
        if (!module.module[name]) say(file, `${where}: module.${name} is not declared`);
        else if (children[name] && rest.length > 0 && !children[name].output[rest[0]]) say(file, `${where}: module.${name} has no output ${rest[0]}`);
      } else {
        const kind = root === 'data' ? 'data' : 'resource';
        const [type, label, attribute] = root === 'data' ? [name, ...rest] : [root, name, ...rest];
        used.add(`${kind}.${type}.${label}`);
        const known = SCHEMAS.filter((one) => one[kind][type]).map((one) => one[kind][type]);
        if (!module[kind][`${type}.${label}`]) say(file, `${where}: ${root === 'data' ? 'data.' : ''}${type}.${label} is not declared`);
        else if (attribute && !known.every((one) => attribute in one.attributes || attribute in one.blocks)) {
          say(file, `${where}: ${type}.${label} has no attribute ${attribute}`);
        }
      }
    }
  });
  for (const kind of ['local', 'output', 'resource', 'data', 'module']) {
    for (const [name, body] of Object.entries(module[kind])) {
      one(body['#file'], `${kind} ${name}`, { ...body, '#file': null }, 'for_each' in body ? 'for_each' : 'count' in body ? 'count' : '');
    }
  }
  for (const [name, body] of Object.entries(module.variable)) one(body['#file'], `variable ${name}`, [body.validation || [], body.default || null], '');
  one(module.folder, 'terraform', [module.terraform, module.provider, module.other.map((one) => one.slice(1))], '');
  for (const name of Object.keys(module.variable)) if (!used.has(`var.${name}`)) say(module.variable[name]['#file'], `variable ${name} is not used`);
  for (const name of Object.keys(module.local)) if (!used.has(`local.${name}`)) say(module.local[name]['#file'], `local ${name} is not used`);
  for (const name of Object.keys(module.data)) if (!used.has(`data.${name}`)) say(module.data[name]['#file'], `data ${name} is not used`);
}

/* Validations mention their own variable: that is no use of it. */
function checkVariables(module, say) {
  for (const [name, body] of Object.entries(module.variable)) {
    if (!body.type) say(body['#file'], `variable ${name} has no type`);
    if (!body.description) say(body['#file'], `variable ${name} has no description`);
    for (const key of Object.keys(body)) {
      if (!['#file', 'type', 'description', 'default', 'validation', 'sensitive', 'nullable', 'ephemeral'].includes(key)) say(body['#file'], `variable ${name}: unknown argument ${key}`);
    }
    for (const one of list(body.validation || [])) {
      if (!one.condition || !one.error_message) say(body['#file'], `variable ${name}: a validation lacks condition or error_message`);
    }
  }
  for (const [name, body] of Object.entries(module.output)) {
    if (!('value' in body)) say(body['#file'], `output ${name} has no value`);
    if (!body.description) say(body['#file'], `output ${name} has no description`);
  }
  if (!module.terraform.some((one) => one.required_version)) say(module.folder, 'required_version is missing');
  if (!module.terraform.some((one) => one.required_providers)) say(module.folder, 'required_providers is missing');
}

function checkResources(module, say) {
  for (const kind of ['resource', 'data']) {
    for (const [name, body] of Object.entries(module[kind])) {
      const type = name.split('.')[0];
      if (FORBIDDEN.test(type)) {
        say(body['#file'], `${name}: Application Auto Scaling and a supervisor would write over each other`);
        continue;
      }
      for (const { provider, [kind]: { [type]: schema } } of SCHEMAS) {
        const tell = (text) => say(body['#file'], `${text} (provider ${provider})`);
        if (!schema) tell(`${kind} ${name}: unknown type, unless the schema's extract is old`);
        else {
          checkBlock(body, schema, META[kind], name, tell);
          checkLifecycle(body, schema, name, tell);
        }
      }
    }
  }
}

function checkCalls(module, children, say) {
  for (const [name, body] of Object.entries(module.module)) {
    const child = children[name];
    if (!child) {
      say(body['#file'], `module ${name}: its source is not a folder`);
      continue;
    }
    for (const key of Object.keys(body)) {
      if (!key.startsWith('#') && !META.module.includes(key) && !child.variable[key]) say(body['#file'], `module ${name}: unknown input ${key}`);
    }
    for (const [key, variable] of Object.entries(child.variable)) {
      if (!('default' in variable) && !(key in body)) say(body['#file'], `module ${name}: missing input ${key}`);
    }
  }
}

async function checkModule(folder, say) {
  const module = await readModule(folder, say);
  const children = {};
  for (const [name, body] of Object.entries(module.module)) {
    const source = path.join(folder, String(body.source));
    if (/^\.\.?\//.test(String(body.source)) && fs.existsSync(source)) children[name] = await readModule(source, () => {});
  }
  checkVariables(module, say);
  checkResources(module, say);
  checkCalls(module, children, say);
  checkReferences(module, children, say);
  const things = Object.keys(module.resource).length + Object.keys(module.data).length;
  return `${folder}: ${things} resources and data sources, ${Object.keys(module.variable).length} variables, ${Object.keys(module.module).length} modules`;
}

async function tables(folder) {
  const module = await readModule(folder, (file, text) => { throw new Error(`${file}: ${text}`); });
  const type = (body) => String(body.type).replace(/^\$\{|\}$/g, '').replace(/object\([\s\S]*/, (rest, at) => (at > 0 ? 'object)' : 'object'));
  const preset = (body) => (!('default' in body) ? 'required' : isObject(body.default) && Object.keys(body.default).length === 0 ? '`{}`' : `\`${JSON.stringify(body.default)}\``);
  console.log('| input | type | default | meaning |\n|---|---|---|---|');
  for (const [name, body] of Object.entries(module.variable)) console.log(`| \`${name}\` | ${type(body)} | ${preset(body)} | ${body.description} |`);
  console.log('\n| output | what |\n|---|---|');
  for (const [name, body] of Object.entries(module.output)) console.log(`| \`${name}\` | ${body.description} |`);
}

async function main() {
  const folders = process.argv.slice(2);
  if (folders[0] === '--tables') return tables(folders[1]);
  let faults = 0;
  for (const folder of folders) {
    const told = await checkModule(folder, (file, text) => {
      faults++;
      console.log(`${file}: ${text}`);
    });
    console.error(told);
  }
  process.exitCode = faults > 0 ? 1 : 0;
  return undefined;
}

main();
