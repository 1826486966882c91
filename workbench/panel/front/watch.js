// watch.js: what a view waits for and does not get it asks for again, ever more rarely: a message can be lost
// while a page, its connection or a thread of the kernel is set up. A panel that answers is asked nothing.

const FIRST_LOOK_MS = 2000;
const LAST_LOOK_MS = 30000;

export class Watch {
  /** @param {() => boolean} askAgain Asks for what is missing; returns whether anything was. */
  constructor(askAgain) {
    this.askAgain = askAgain;
    this.plan(FIRST_LOOK_MS);
  }

  /** @param {number} wait */
  plan(wait) {
    this.timer = setTimeout(() => this.plan(this.askAgain() ? Math.min(2 * wait, LAST_LOOK_MS) : FIRST_LOOK_MS), wait);
  }

  close() {
    clearTimeout(this.timer);
  }
}

/**
 * What is used of a view's model, and of the widgets' model behind it.
 * @typedef {{
 *   get(name: string): any,
 *   send(content: object): void,
 *   on(event: string, handler: Function): void,
 *   off(event: string, handler: Function): void,
 *   widget_manager?: { get_model(id: string): Promise<any> },
 * }} Model
 */

/**
 * anywidget withholds every message of a model that took the page more than two seconds to set up, for as
 * long as the page lives, though its views are drawn. Such a model's messages are taken from its comm.
 * @param {Model} model
 */
export async function hearDirectly(model) {
  const id = model.get("_panel_id");
  const owner = await model.widget_manager?.get_model(id);
  if (!owner?.comm || owner.hakHearsDirectly) return;
  owner.hakHearsDirectly = true;
  owner.comm.on_msg((/** @type {any} */ message) => {
    const { method, content } = message.content.data;
    if (method !== "custom") return owner._handle_comm_msg(message);
    owner.trigger("msg:custom", content, message.buffers);
    return Promise.resolve();
  });
}
