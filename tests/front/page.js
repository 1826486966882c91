// A page without a browser, a kernel that is a list of messages, and a Plotly that notes what it draws.

import { afterEach, beforeEach, mock } from "node:test";

import { Window } from "../../build/front/node_modules/happy-dom/lib/index.js";

const NAMES = ["document", "HTMLInputElement", "MutationObserver", "getComputedStyle"];
const window = new Window();
for (const name of NAMES) globalThis[name] = window[name];
globalThis.window = globalThis;
Object.defineProperty(globalThis, "localStorage", { value: window.localStorage });
globalThis.requestAnimationFrame = (draw) => setTimeout(draw, 16);

// Nothing is in view or has a size until a test says so.
class Observer {
  static all = [];

  constructor(note) {
    this.note = note;
    this.targets = new Set();
    Observer.all.push(this);
  }

  observe(target) {
    this.targets.add(target);
  }

  disconnect() {
    this.targets.clear();
  }
}
globalThis.IntersectionObserver = globalThis.ResizeObserver = Observer;

const { default: panel } = await import("../../workbench/panel/front/main.js");

export class FakePlotly {
  drawn = []; // titles, in the order of drawing
  traces = new Map();

  async newPlot(plot, traces) {
    plot.on = (event, handler) => Object.assign(plot, { [event]: handler });
    await this.react(plot, traces);
  }

  async react(plot, traces) {
    const title = plot.closest("section").getAttribute("aria-label");
    this.drawn.push(title);
    this.traces.set(title, traces);
  }

  purge() {}
}

export class Page {
  constructor() {
    this.sent = [];
    this.plotly = new FakePlotly();
    this.number = 0;
    const handlers = {};
    this.model = {
      get: () => "panel",
      send: (content) => this.sent.push(JSON.parse(JSON.stringify(content))),
      on: (event, handler) => (handlers[event] = handler),
      off: (event) => delete handlers[event],
    };
    this.deliver = (content, buffer) => handlers["msg:custom"]?.(content, buffer ? [buffer] : []);
    const el = document.createElement("div");
    document.body.append(el);
    this.close = panel.render({ model: this.model, el });
    this.root = el.firstElementChild;
  }

  // The next state, numbered as the kernel numbers it.
  tell(parts) {
    this.number += 1;
    this.deliver({ type: "state", number: this.number, ...parts });
  }

  find(selector) {
    const found = this.root.querySelector(selector);
    if (!found) throw new Error(`there is no ${selector}`);
    return found;
  }

  named(name) {
    return this.find(`[aria-label="${name}"]`);
  }

  button(text) {
    const found = [...this.root.querySelectorAll("button")].find((button) => button.textContent === text);
    if (!found) throw new Error(`there is no button ${text}`);
    return found;
  }

  // What a person does: the value is there, then the event.
  enter(element, value, ...events) {
    element.value = value;
    for (const event of events) element.dispatchEvent(new window.Event(event, { bubbles: true }));
  }

  press(element, key) {
    element.dispatchEvent(new window.KeyboardEvent("keydown", { key, bubbles: true }));
  }

  // Messages since the last call, without the view's id; of some kinds, if they are named.
  take(...kinds) {
    const taken = this.sent.splice(0).map(({ view, ...message }) => message);
    return kinds.length ? taken.filter((message) => kinds.includes(message.type)) : taken;
  }

  // The charts of these titles are in view, and no others.
  async show(...titles) {
    for (const { note, targets } of Observer.all) {
      for (const target of targets) {
        const isIntersecting = titles.includes(target.closest("section").getAttribute("aria-label"));
        note([{ isIntersecting, contentRect: { width: 300, height: 150 } }]);
      }
    }
    await pass(60);
  }

  // Another view of the same panel in the same browser.
  open() {
    return new Page();
  }

  // The charts' script has come.
  async load() {
    globalThis.__hakmemPlotly.resolve(this.plotly);
    await pass(0);
  }
}

// Lets time pass, and what waits for it happen.
export async function pass(milliseconds) {
  await settle();
  mock.timers.tick(milliseconds);
  await settle();
}

async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

let clock = 0;
globalThis.performance.now = () => clock;
const tick = mock.timers.tick.bind(mock.timers);
mock.timers.tick = (milliseconds) => {
  clock += milliseconds;
  tick(milliseconds);
};

// Opens a page for each test; `page()` is the one of the test that runs.
export function useFreshPages() {
  let current = null;
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
    globalThis.__hakmemPlotly = null;
    current = new Page();
  });
  afterEach(() => {
    current.close();
    mock.timers.reset();
    globalThis.localStorage.clear();
    document.body.replaceChildren();
  });
  return () => current;
}

// Numbers as they come over the socket: at any place of a larger buffer.
export function pack(numbers, offset = 3) {
  const bytes = new Uint8Array(numbers.length * 8 + offset);
  bytes.set(new Uint8Array(Float64Array.from(numbers).buffer), offset);
  return new DataView(bytes.buffer, offset);
}
