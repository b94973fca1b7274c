// A clock in a dedicated worker. Browsers slow the timers of hidden tabs down to once a minute, those of workers not: who is called in
// a background tab is still on time.

import type { Clock } from "ropeline";

interface Bell {
  readonly id: number;
  readonly ms: number;
}

/** The worker: rings each bell after its time. */
export function serve(): void {
  const port = self as unknown as { postMessage(id: number): void };
  self.onmessage = ({ data: { id, ms } }: MessageEvent<Bell>) => void setTimeout(() => port.postMessage(id), ms);
}

/** A clock whose bells hang in a worker that runs `source`; in the page itself, and a little late in hidden tabs, where there are none. */
export function clock(source: string): Clock {
  const bells = new Map<number, () => void>();
  let last = 0;
  const ring = (id: number) => {
    const call = bells.get(id);
    bells.delete(id);
    call?.();
  };
  const here = ({ id, ms }: Bell) => void setTimeout(ring, ms, id);
  let hang = here;
  try {
    const worker = new Worker(source);
    const open = new Map<number, number>();
    worker.onmessage = ({ data }: MessageEvent<number>) => {
      open.delete(data);
      ring(data);
    };
    worker.onerror = () => {
      hang = here;
      for (const [id, due] of open) here({ id, ms: Math.max(0, due - Date.now()) });
      open.clear();
    };
    hang = (bell) => {
      open.set(bell.id, Date.now() + bell.ms);
      worker.postMessage(bell);
    };
  } catch {
    // No workers here.
  }
  return {
    now: () => Date.now(),
    after(ms, call) {
      const id = ++last;
      bells.set(id, call);
      hang({ id, ms });
      return () => void bells.delete(id);
    },
  };
}
