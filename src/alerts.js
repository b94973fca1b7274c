// Written at the edge, past all of our own objects: it is told when those do not answer. Nobody waits for it, and nothing fails with it.
export const write = (dataset, what, event) => {
  try {
    dataset?.writeDataPoint({ indexes: [event], blobs: [what], doubles: [1] });
  } catch (error) {
    console.warn(`alerts: ${error}`);
  }
};
