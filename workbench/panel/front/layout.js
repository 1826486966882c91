// layout.js: what a person made of the charts: their order, which are hidden and which are large. The browser keeps it.

const KEY = "hakmem-workbench-charts";

export class ChartLayout {
  order = /** @type {string[]} */ ([]); // titles, as they stood when one was moved
  hidden = /** @type {Set<string>} */ (new Set());
  large = /** @type {Set<string>} */ (new Set());

  /** @param {() => void} show Called after each change. */
  constructor(show) {
    this.show = show;
    try {
      const { order, hidden, large } = JSON.parse(globalThis.localStorage.getItem(KEY) ?? "{}");
      Object.assign(this, { order: order ?? [], hidden: new Set(hidden), large: new Set(large) });
    } catch {
      // The browser keeps nothing here, or what it kept is none.
    }
  }

  keep() {
    const { order, hidden, large } = this;
    try {
      globalThis.localStorage.setItem(KEY, JSON.stringify({ order, hidden: [...hidden], large: [...large] }));
    } catch {
      // It holds as long as the page does.
    }
    this.show();
  }

  /** @param {string[]} titles As the kernel orders them; one that was not there yet stays behind its neighbour. */
  arrange(titles) {
    let behind = -1;
    const ranks = new Map(
      titles.map((title) => {
        const place = this.order.indexOf(title);
        if (place >= 0) behind = place;
        return [title, place >= 0 ? place : behind + 0.5];
      }),
    );
    return [...titles].sort((one, other) => Number(ranks.get(one)) - Number(ranks.get(other)));
  }

  /** @param {string} title @param {number} step -1: before the chart in front of it. @param {string[]} titles */
  move(title, step, titles) {
    const shown = this.arrange(titles).filter((one) => !this.hidden.has(one));
    const other = shown[shown.indexOf(title) + step];
    if (other === undefined) return;
    this.order = this.arrange(titles).map((one) => (one === title ? other : one === other ? title : one));
    this.keep();
  }

  /** @param {Set<string>} titles Those that are hidden, or large. @param {string} title */
  toggle(titles, title) {
    if (!titles.delete(title)) titles.add(title);
    this.keep();
  }
}
