// Futures are polled from microtasks. The runtime's own queueMicrotask takes each task through several wrappers; a reaction of a
// promise that is resolved already is the same microtask without them. The promise is made here, outside of any request.
const resolved = Promise.resolve();

globalThis.queueMicrotask = (task) => {
  resolved.then(task);
};

// Whoever imports this has the above.
export const areDirect = () => true;
