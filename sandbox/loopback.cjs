// Preloaded with `node --require`: binds every server of the process to 127.0.0.1, for MCP servers that bind to all
// addresses and offer no option for it.
"use strict";
const net = require("node:net");
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (...given) {
  const [first, ...rest] = given;
  if (first !== null && typeof first === "object") {
    return listen.call(this, first.path || first.fd !== undefined ? first : { ...first, host: "127.0.0.1" }, ...rest);
  }
  if (Number.isInteger(Number(first))) {
    const others = typeof rest[0] === "string" ? rest.slice(1) : rest;
    return listen.call(this, Number(first), "127.0.0.1", ...others);
  }
  return listen.apply(this, given);
};
