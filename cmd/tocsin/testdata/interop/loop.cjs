// Preloaded into node: whatever port a program asks for, it gets it on loopback.
'use strict';
const { Server } = require('node:net');

const listen = Server.prototype.listen;

Server.prototype.listen = function (first, ...rest) {
  const callback = rest.find((arg) => typeof arg === 'function');
  if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) {
    first = { port: Number(first) };
  }
  if (first !== null && typeof first === 'object' && 'port' in first) {
    return listen.call(this, { ...first, host: '127.0.0.1' }, callback);
  }
  return listen.call(this, first, ...rest);
};
