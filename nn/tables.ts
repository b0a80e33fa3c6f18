/**
 * What is worked out from the tables of networks, without a tensor: what a network costs, and the networks that lack one of
 * AlexNet's pieces. An entry of its own (`@fermi/fermi/tables`), so that a page which only computes does not load it.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { nn } from "@fermi/fermi";
 * import { summarise, vary } from "@fermi/fermi/tables";
 *
 * const { alexnet } = nn.models;
 * assert.equal(summarise(alexnet).parameters, 60_965_224);
 * assert.equal(summarise(vary(alexnet, { lrn: false })).layers.length, alexnet.rows.length - 2);
 * ```
 *
 * @module
 */

export * from "./models/summary.ts";
export * from "./models/vary.ts";
