// Elements, made of texts and never of markup.

type Child = Node | string | null;
type Attributes = Readonly<Record<string, string | boolean | ((event: Event) => void)>>;

/** An element. An attribute that is a function listens to the event of that name; one that is `false` is left out. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return dressed(document.createElement(tag), attributes, children);
}

/** The same in a picture. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return dressed(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dressed<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Says something else, if it is something else: what did not change is not read out again. */
export function say(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** A form that asks nobody but `submit`. */
export function form(attributes: Attributes, submit: () => void, ...children: Child[]): HTMLFormElement {
  const asked = (event: Event) => {
    event.preventDefault();
    submit();
  };
  return el("form", { method: "post", submit: asked, ...attributes }, ...children);
}

/** A field with its label. */
export function field(label: string, input: HTMLInputElement | HTMLTextAreaElement): HTMLElement {
  return el("label", { class: "field" }, el("span", {}, label), input);
}

export function button(label: string, press: () => void, looks = "quiet"): HTMLButtonElement {
  return el("button", { type: "button", class: looks, click: press }, label);
}
