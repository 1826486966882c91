// plotly_loader.js: Plotly's script, fetched from the kernel once a page and shared by all panels.
// It is never part of a widget's state, so that no notebook grows by it.

/** @import { Request } from "messages" */

/** @typedef {HTMLElement & { on(event: string, handler: (change: any) => void): void, layout?: any }} Plot */
/**
 * What is used of Plotly.
 * @typedef {{
 *   newPlot(plot: Plot, traces: object[], layout: object, options: object): Promise<unknown>,
 *   react(plot: Plot, traces: object[], layout: object): Promise<unknown>,
 *   purge(plot: Plot): void,
 * }} Plotly
 */
class Slot {
  isLoading = false;
  resolve = /** @type {(plotly: Plotly) => void} */ (() => {});
  reject = /** @type {(error: unknown) => void} */ (() => {});
  promise = /** @type {Promise<Plotly>} */ (new Promise((resolve, reject) => Object.assign(this, { resolve, reject })));
}

// One for all panels of the page, whichever copy of this script they came with.
const page = /** @type {{ __hakmemPlotly?: Slot | null, Plotly?: any }} */ (/** @type {unknown} */ (window));

/**
 * Can be called again while nothing came: the kernel sends the script once, however often it is asked.
 * @param {(message: Request) => void} send
 */
export function requestPlotly(send) {
  const slot = (page.__hakmemPlotly ??= new Slot());
  if (!slot.isLoading) send({ type: "ask_plotly" });
  return slot.promise;
}

/** @param {BlobPart} buffer */
export async function receivePlotly(buffer) {
  const slot = page.__hakmemPlotly;
  if (!slot || slot.isLoading) return;
  slot.isLoading = true;
  try {
    const packed = new Blob([buffer]).stream();
    const source = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
    // As a function of our own: no module loader of the page takes hold of it.
    const before = page.Plotly;
    new Function("module", "define", source)(undefined, undefined);
    const plotly = page.Plotly;
    if (before) page.Plotly = before;
    slot.resolve(plotly);
  } catch (error) {
    page.__hakmemPlotly = null; // whoever asks again begins anew
    slot.reject(error);
  }
}
