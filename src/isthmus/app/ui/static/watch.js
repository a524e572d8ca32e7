// SPDX-License-Identifier: Apache-2.0
/**
 * `watch(() => …)` is how signals reach a template: it binds one hole to the signals that the function reads.
 *
 * When one of them changes, that hole alone is filled anew. Nothing else may subscribe a template to signals: an effect
 * around a whole render subscribes to every signal read anywhere in it, and renders all of it for each of them.
 * @module
 */
import { AsyncDirective, directive } from "./vendor/lit-html/async-directive.js";
import { noChange } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { effect, untracked } from "./vendor/signals-core/signals-core.js";

class Watch extends AsyncDirective {
  /** @type {() => unknown} */
  #read = () => noChange;
  /** @type {undefined | (() => void)} */
  #stop;

  /** @param {() => unknown} read */
  render(read) {
    return untracked(read);
  }

  /**
   * @param {unknown} _part
   * @param {[() => unknown]} holes
   */
  update(_part, [read]) {
    this.#read = read;
    this.#stop?.();
    return this.isConnected ? this.#begin() : untracked(read);
  }

  /** Subscribes; what the hole holds now. */
  #begin() {
    let first = true;
    /** @type {unknown} */
    let found;
    this.#stop = untracked(() =>
      effect(() => {
        const now = this.#read();
        if (first) found = now;
        // what is rendered may read signals too: those reads are its own
        else untracked(() => this.setValue(now));
        first = false;
      }),
    );
    return found;
  }

  disconnected() {
    this.#stop?.();
    this.#stop = undefined;
  }

  reconnected() {
    this.setValue(this.#begin());
  }
}

export const watch = directive(Watch);

/**
 * Draws anew whatever has another key. (lit's own `keyed` forgets to tell what it removes, which goes on watching.)
 * @param {string} key
 * @param {() => unknown} draw
 */
export const fresh = (key, draw) => repeat([key], (one) => one, draw);
