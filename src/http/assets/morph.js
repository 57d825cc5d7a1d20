// Brings an element to the shape of another one, keeping the nodes that are there: the keyboard
// focus, a selection, an unfolded detail and a drawn chart survive an update.

/**
 * @param {Element} old
 * @param {Element} fresh of the same kind
 */
export function morph(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // Whether something is unfolded is the reader's business.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.localName === "details")) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  // A chart draws itself.
  if (!("chart" in old.dataset)) morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const match = find(at, next);
    if (match === null) {
      old.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    if (match.nodeType === Node.ELEMENT_NODE) morph(match, next);
    else if (match.data !== next.data) match.data = next.data;
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** The node to keep for `next`: the one of the same id, else the next one if it is alike. */
function find(at, next) {
  if (next.id) {
    for (let node = at; node !== null; node = node.nextSibling) {
      if (node.id === next.id) return node;
    }
    return null;
  }
  return at !== null && !at.id && at.nodeName === next.nodeName ? at : null;
}
