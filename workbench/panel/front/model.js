// model.js: what a view uses of its model, and a way around a model that withholds messages.

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
