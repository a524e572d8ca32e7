// SPDX-License-Identifier: Apache-2.0
/**
 * What the frame remembers: the theme, and whether the tree is drawn out on a narrow screen.
 * @module
 */
import { effect, signal } from "../vendor/signals-core/signals-core.js";

/** Whether the tree is drawn out, where it does not stand beside the page. */
export const drawer = signal(false);

const dark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {string | null} */
function kept() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // a browser may forbid it
  }
}

/** `light` or `dark`: as chosen here, else as the machine has it. */
export const theme = signal(kept() ?? (dark.matches ? "dark" : "light"));

dark.addEventListener("change", () => {
  if (!kept()) theme.value = dark.matches ? "dark" : "light";
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

export function switchTheme() {
  theme.value = theme.peek() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", theme.peek());
  } catch {
    // then it holds for this page only
  }
}
